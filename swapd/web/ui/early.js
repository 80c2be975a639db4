// Before the first paint: the colours chosen last time. No module, as those come after it.
try {
  const shade = localStorage.getItem("swapd.shade");
  if (shade) document.documentElement.dataset.shade = shade;
} catch { /* A browser that keeps nothing follows the system. */ }
