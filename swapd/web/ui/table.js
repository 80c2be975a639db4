// The table of models: one body per model, so that a row and what is unfolded below it stay together.

import { h, keep, put, s } from "./dom.js";
import { lives } from "./bars.js";
import { age, amount, bytes, clean, clock, count, isMemory, ordered, time } from "./format.js";
import { Detail } from "./detail.js";

const COLUMNS = ["Model", "State", "Memory", "Leases", "Queue", "Tokens/s", "Last swap", "Actions"];

/** A state, by shape and colour and word. */
function stateMark(state) {
  return h("span", { class: `state ${state}` }, h("i", { "aria-hidden": "true" }), h("span", {}, state));
}

/** The table. */
export class Table {
  #rows = new Map(); // name -> Row
  #bodies = new Map(); // name -> its <tbody>

  constructor(desk) {
    this.desk = desk;
    this.head = h("thead", { role: "rowgroup" }, h("tr", { role: "row" },
      COLUMNS.map((title) => h("th", { role: "columnheader", scope: "col", class: title === "Actions" ? "acts" : "" }, title))));
    this.element = h("table", { class: "models", role: "table", "aria-label": "Models" }, this.head);
  }

  /** Show these models, in this order. `changed`: a Set of names, or null for all. */
  draw(names, changed) {
    keep(this.element, this.#bodies, names, (name) => {
      const row = new Row(this.desk, name);
      this.#rows.set(name, row);
      row.draw();
      return row.element;
    }, this.head);
    for (const [name, row] of this.#rows) {
      if (!this.#bodies.has(name)) this.#rows.delete(name);
      else if (!changed || changed.has(name)) row.draw();
    }
  }

  /** What only grows older. */
  tick() {
    for (const row of this.#rows.values()) row.tick();
  }

  unfold(name) {
    this.#rows.get(name)?.unfold(true);
  }
}

class Row {
  constructor(desk, name) {
    this.desk = desk;
    this.name = name;
    this.toggle = h("button", { type: "button", class: "fold", "aria-expanded": "false", on: { click: () => this.unfold() } },
      h("bdi", { class: "name" }, clean(name, 120)));
    this.marks = h("span", { class: "marks" });
    this.cells = Object.fromEntries(["state", "memory", "leases", "queue", "speed", "swap"].map((kind) =>
      [kind, h("td", { role: "cell", class: kind })]));
    this.buttons = buttons(desk, name);
    this.row = h("tr", { role: "row" },
      h("th", { role: "rowheader", scope: "row", class: "who" }, this.toggle, this.marks), Object.values(this.cells),
      h("td", { role: "cell", class: "acts" }, Object.values(this.buttons)));
    this.element = h("tbody", { role: "rowgroup" }, this.row);
  }

  get model() {
    return this.desk.store.models.get(this.name);
  }

  draw() {
    const { model, cells } = this;
    if (!model) return;
    this.element.className = lives(model) ? "living" : model.state;
    this.since = h("span", { class: "dim num" });
    cells.state.replaceChildren(stateMark(model.state), this.since);
    this.marks.replaceChildren(...marks(model));
    cells.memory.replaceChildren(...memoryOf(model));
    put(cells.leases, lives(model) || model.leases ? `${model.leases}/${model.slots ?? "–"}` : "–");
    put(cells.speed, model.tokens?.per_second ? count(model.tokens.per_second, model.tokens.per_second < 100 ? 1 : 0) : "–");
    for (const cell of [cells.leases, cells.speed]) cell.classList.toggle("none", cell.textContent === "–");
    cells.queue.classList.toggle("none", !model.waiting);
    this.queue = h("span", {});
    cells.queue.replaceChildren(this.queue);
    if (model.waiting && model.waiting_for) cells.queue.append(h("span", { class: "why dim" }, clean(model.waiting_for.text, 200)));
    this.swapped = h("span", { class: "num" });
    cells.swap.replaceChildren(...(model.last_swap
      ? [h("span", { class: "cause", title: clean(model.last_swap.text, 400) }, this.swapped, clean(model.last_swap.text, 200))] : ["–"]));
    this.#buttons(model);
    this.tick();
    this.detail?.draw();
  }

  #buttons(model) {
    const up = lives(model), { load, unload, pin } = this.buttons;
    load.hidden = up && model.state !== "draining" && model.state !== "stopping";
    unload.hidden = !load.hidden;
    pin.setAttribute("aria-pressed", String(Boolean(model.pinned)));
    put(pin, model.pinned ? "Unpin" : "Pin");
    pin.setAttribute("aria-label", `${model.pinned ? "Unpin" : "Pin"} ${clean(this.name, 120)}`);
  }

  tick() {
    const { model } = this;
    if (!model || !this.since) return;
    const now = this.desk.store.now();
    put(this.since, model.since ? age((now - time(model.since)) / 1000) : "");
    const oldest = Math.min(...(model.queue ?? []).map((waiter) => time(waiter.since)));
    put(this.queue, !model.waiting ? "–" : Number.isFinite(oldest)
      ? `${model.waiting}, oldest ${age((now - oldest) / 1000)}` : `${model.waiting}`);
    if (model.last_swap) put(this.swapped, `${clock(time(model.last_swap.at))} `);
    this.detail?.tick();
  }

  unfold(open = !this.detail) {
    if (open === Boolean(this.detail)) return;
    this.toggle.setAttribute("aria-expanded", String(open));
    if (open) {
      this.detail = new Detail(this.desk, this.name);
      this.below = h("tr", { role: "row", class: "below" }, h("td", { role: "cell", colspan: COLUMNS.length }, this.detail.element));
      this.element.append(this.below);
    } else {
      this.below.remove();
      this.detail.close();
      this.detail = null;
    }
  }
}

function marks(model) {
  const found = [];
  if (model.pinned) found.push(s("svg", { viewBox: "0 0 16 16", class: "pin", role: "img", "aria-label": "pinned" },
    s("path", { d: "M5 1h6l-1 5 3 3H9v6L8 16l-1-1V9H3l3-3z" })));
  if (model.never_fits) found.push(h("span", { class: "tag bad" }, "never fits"));
  if (model.url) found.push(h("span", { class: "tag", title: clean(model.url, 200) }, "remote"));
  if (model.last_failure && !lives(model)) found.push(h("span", { class: "tag bad", title: clean(model.last_failure.reason, 300) },
    model.state === "cold" ? "failed last" : clean(model.last_failure.reason, 80)));
  const aliases = model.aliases ?? [];
  if (aliases.length) found.push(h("span", { class: "dim also", title: clean(aliases.join(", "), 400) }, `${aliases.length} alias${aliases.length > 1 ? "es" : ""}`));
  return found;
}

function memoryOf(model) {
  const amounts = { ...model.needs, ...model.measured };
  const held = ordered(Object.keys(amounts)).filter((name) => amounts[name] > 0);
  const memories = held.filter(isMemory);
  const shown = memories.length ? memories : held;
  if (!shown.length) return [h("span", { class: "dim" }, model.url ? "elsewhere" : "not known yet")];
  return shown.map((name) => {
    const value = amounts[name];
    const seen = model.measured?.[name] !== undefined;
    return h("span", { class: "amount", title: seen ? "measured" : "reckoned" },
      h("span", { class: "num" }, `${seen ? "" : "≈ "}${isMemory(name) ? bytes(value) : amount(name, value)}`),
      h("span", { class: "dim" }, ` ${clean(name, 24)}`));
  });
}

function buttons(desk, name) {
  const told = clean(name, 120);
  const make = (verb, label, words) => {
    const button = h("button", { type: "button", "aria-label": `${label} ${told}`, on: { click: () => act(desk, name, verb(), button, words) } }, label);
    return button;
  };
  const pin = make(() => (pin.getAttribute("aria-pressed") === "true" ? "unpin" : "pin"), "Pin");
  return { load: make(() => "load", "Load", `${told} is asked to load`), unload: make(() => "unload", "Unload", `${told} is unloaded`), pin };
}

/** Do it, and say what came of it. The button shows that it is being done; it keeps the focus. */
async function act(desk, name, verb, button, words) {
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  try {
    await desk.api.json(`admin/models/${encodeURIComponent(name)}/${verb}?wait=0`, { method: "POST" });
    desk.say(words ?? `${clean(name, 120)}: ${verb} done`);
  } catch (error) {
    desk.say(`Cannot ${verb} ${clean(name, 120)}: ${clean(error.message, 600)}`, "bad");
  } finally {
    button.removeAttribute("aria-busy");
    const shown = button.hidden ? button.parentElement?.querySelector("button:not([hidden])") : null;
    if (shown && document.activeElement === document.body) shown.focus();
  }
}
