// What the machine has, and who holds it: a bar per memory, and a word on every plain counter.
// Engines fill a bar from the left up to the budget's line, strangers from the right; what is between is free.

import { h, keep, put } from "./dom.js";
import { amount, brief, bytes, clean, ordered } from "./format.js";

const NAMED = 6; // engines named below a bar
const TINTS = 6; // tints that take turns
const DOWN = new Set(["cold", "backoff", "failed"]);

/** Whether an engine of it lives. */
export function lives(model) {
  return !DOWN.has(model.state);
}

/** What it takes of a resource: as measured, else as reckoned. */
export function takes(model, resource) {
  return model.measured?.[resource] ?? model.needs?.[resource] ?? 0;
}

/** The strip of all bars. */
export function bars(desk) {
  const { store } = desk;
  const strip = h("div", { class: "bars" });
  const known = new Map();
  const counters = h("p", { class: "counters dim" });
  const element = h("section", { "aria-label": "Devices" }, strip, counters);

  function draw() {
    if (!store.status) return;
    const machine = store.status.machine ?? {};
    keep(strip, known, ordered(Object.keys(machine)), (name) => bar(name));
    for (const [name, found] of Object.entries(machine)) fillBar(known.get(name), name, found, holders(store, name));
    put(counters, plainCounters(store.status.budget ?? {}, machine));
  }

  return { element, draw };
}

function holders(store, resource) {
  return store.names.map((name) => store.models.get(name))
    .filter((model) => lives(model) && takes(model, resource) > 0);
}

function plainCounters(budget, machine) {
  return Object.entries(budget).filter(([name]) => !(name in machine))
    .map(([name, { total, used }]) => `${clean(name, 60)} ${amount(name, used)} of ${amount(name, total)}`).join("   ·   ");
}

function bar(name) {
  return h("div", { class: "bar panel" },
    h("div", { class: "bar-head" }, h("b", {}, clean(name, 60)), h("span", { class: "num" })),
    h("div", { class: "track", role: "img" }),
    h("ul", { class: "legend" }));
}

function fillBar(element, name, found, models) {
  const [head, track, legend] = element.children;
  const held = models.reduce((sum, model) => sum + takes(model, name), 0);
  const strangers = found.strangers ?? 0;
  const scale = Math.max(found.total ?? 0, held + strangers, found.budget ?? 0, 1);
  const text = summary(found, held);
  put(head.lastChild, found.lost ? "this device is gone" : text);
  track.setAttribute("aria-label", `${name}: ${text}, strangers ${bytes(strangers)}`);
  track.replaceChildren(...segments(models, name, scale), ...foreign(strangers, scale), ...limit(found.budget, scale));
  const named = models.slice(0, NAMED).map((model, at) => h("li", {},
    h("i", { class: `tint t${at % TINTS}` }), h("bdi", { title: clean(model.name, 200) }, brief(model.name)), " ",
    h("span", { class: "num dim" }, bytes(takes(model, name)))));
  if (models.length > NAMED) named.push(h("li", { class: "dim" }, `and ${models.length - NAMED} more`));
  if (strangers > 0) named.push(h("li", {}, h("i", { class: "tint strangers" }), "others ", h("span", { class: "num dim" }, bytes(strangers))));
  if (!named.length) named.push(h("li", { class: "dim" }, "no engine holds any"));
  legend.replaceChildren(...named);
}

function summary(found, held) {
  const parts = [`${bytes(held)} of ${bytes(found.budget ?? found.total)}`];
  if (found.free !== null && found.free !== undefined) parts.push(`${bytes(found.free)} free`);
  return parts.join(" · ");
}

function segments(models, name, scale) {
  return models.map((model, at) => {
    const piece = h("i", { class: `tint t${at % TINTS}`, title: `${clean(model.name, 80)} ${bytes(takes(model, name))}` });
    piece.style.width = `${(100 * takes(model, name)) / scale}%`;
    return piece;
  });
}

function foreign(strangers, scale) {
  if (!strangers) return [];
  const piece = h("i", { class: "tint strangers", title: `held by other programs: ${bytes(strangers)}` });
  piece.style.width = `${(100 * strangers) / scale}%`;
  return [piece];
}

function limit(budget, scale) {
  if (!budget || budget >= scale) return [];
  const mark = h("b", { class: "limit", title: `budget ${bytes(budget)}` });
  mark.style.left = `${(100 * budget) / scale}%`;
  return [mark];
}
