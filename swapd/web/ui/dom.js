// Makes elements. Whatever the server said goes in as text, never as markup: there is no other way in here.

const SVG = "http://www.w3.org/2000/svg";

/** An element; `on: {click: f}` listens, true is an empty attribute, false and null are none. */
export function h(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same of an SVG. */
export function s(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, heard] of Object.entries(value)) element.addEventListener(event, heard);
    } else if (value !== false && value !== null && value !== undefined) {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Set a text only where it differs: a screen reader is told of every change. */
export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Make `parent` hold one child per key, in this order, made by `make(key)` where it is new; all come after `head`. */
export function keep(parent, known, keys, make, head = null) {
  const wanted = new Set(keys);
  for (const [key, element] of known) {
    if (!wanted.has(key)) {
      element.remove();
      known.delete(key);
    }
  }
  let next = head ? head.nextSibling : parent.firstChild;
  for (const key of keys) {
    let element = known.get(key);
    if (!element) known.set(key, element = make(key));
    if (element === next) next = next.nextSibling;
    else parent.insertBefore(element, next);
  }
}

/** Once per frame, however often it is asked for. */
export function framed(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/** A text field that filters: `heard(words)` gets lower case, a little after the last key. */
export function filter(label, heard, value = "") {
  let timer = 0;
  const field = h("input", {
    type: "search", class: "filter", placeholder: label, "aria-label": label, value, autocomplete: "off", spellcheck: "false",
    on: { input: () => {
      clearTimeout(timer);
      timer = setTimeout(() => heard(field.value.trim().toLowerCase()), 120);
    } },
  });
  return field;
}

/** A choice of few: `options` are [value, label]. */
export function choice(label, options, value, heard) {
  return h("select", { "aria-label": label, on: { change: (event) => heard(event.target.value) } },
    options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
}

/** What is remembered for the next visit; a browser that keeps nothing is no reason to fail. */
export const memory = {
  get(name, otherwise) {
    try {
      return localStorage.getItem(`swapd.${name}`) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`swapd.${name}`, value);
    } catch { /* Then it is asked again. */ }
  },
};
