// Help on the keyboard. The browser's own <dialog> keeps the focus inside, and closes by Escape.

import { h } from "./dom.js";

const KEYS = [["1 – 7", "go to a section"], ["/", "filter or search"], ["p", "pause, or go on"], ["t", "light or dark"], ["?", "this help"],
  ["← →", "in the timeline: from swap to swap"], ["Enter", "in a log's search: the next place; with Shift the one before"], ["Esc", "close, or clear a filter"]];

/** Built when it is first wanted. */
export function helper() {
  let dialog = null;
  return () => {
    dialog ??= build();
    if (!dialog.open) dialog.showModal();
  };
}

function build() {
  const dialog = h("dialog", { "aria-labelledby": "t-help" }, h("h2", { id: "t-help" }, "Keyboard shortcuts"),
    h("dl", { class: "facts" }, KEYS.flatMap(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)])),
    h("form", { method: "dialog" }, h("button", { class: "main" }, "Close")));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  return dialog;
}
