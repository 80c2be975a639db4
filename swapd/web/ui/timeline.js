// The last hours: a lane per model, its states as spans, swaps as marks, waits underneath.

import { filter, framed, h, keep, memory, put, s } from "./dom.js";
import { lives } from "./bars.js";
import { brief, clean, several } from "./format.js";
import { drawLane, patterns } from "./lane.js";
import { Past } from "./past.js";
import { swapTable } from "./swaps.js";

const ZOOMS = [["15 min", 0.25], ["1 h", 1], ["6 h", 6], ["24 h", 24]];
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360].map((minutes) => minutes * 60_000);
const LANES = 60; // drawn at once; more on demand
const HOUR = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const LEGEND = ["ready", "starting", "draining", "stopping", "failed"];

export function timeline(desk) {
  const { store } = desk, past = new Past();
  let hours = Number(memory.get("hours", "1")), words = "", most = LANES, quietToo = false, ticked = 0, asked = false;
  const known = new Map(), svgs = new Map(), tips = new WeakMap();
  const axis = s("svg", { class: "axis", "aria-hidden": "true" });
  const lanes = h("div", { class: "lanes" });
  const tip = h("div", { class: "tip", role: "status", hidden: true });
  const more = h("button", { type: "button", class: "quiet", hidden: true, on: { click: () => { if (quietToo) most += LANES; quietToo = true; draw(); } } });
  const said = h("p", { class: "empty", hidden: true });
  const table = swapTable();
  const search = filter("Filter models", (typed) => { words = typed; draw(); });
  const zooms = h("div", { class: "group", role: "group", "aria-label": "Hours shown" }, ZOOMS.map(([label, value]) =>
    h("button", { type: "button", "aria-pressed": String(value === hours), on: { click: (event) => zoom(value, event.target) } }, label)));
  const chart = h("div", { class: "panel chart", role: "group", "aria-label": "Timeline; arrow keys go from swap to swap" },
    h("div", { class: "lane" }, h("span"), axis), lanes, said, more, tip);
  const element = h("section", { "aria-labelledby": "t-timeline" },
    h("div", { class: "head" }, h("h1", { id: "t-timeline" }, "Timeline"), h("div", { class: "row" }, search, zooms)),
    patterns(), chart, legend(), h("div", { class: "head" }, h("h2", {}, "Swaps")), table.element);

  function zoom(value, pressed) {
    hours = value;
    memory.set("hours", String(value));
    for (const button of zooms.children) button.setAttribute("aria-pressed", String(button === pressed));
    ask();
  }

  async function ask() {
    asked = true;
    try {
      past.take(await desk.api.json(`admin/history?hours=${Math.max(1, hours)}`));
      for (const model of store.models.values()) past.stands(model, store.now());
      draw();
    } catch (error) {
      asked = false;
      said.hidden = false;
      put(said, `Cannot show the last hours: ${clean(error.message)}`);
    }
  }

  const draw = framed(() => {
    if (element.hidden || !asked) return;
    const until = store.now(), frame = { from: until - hours * 3600_000, until };
    const ticks = ticksOf(frame);
    const named = [...new Set([...store.names, ...past.spans.keys()])].filter((name) => !words || name.toLowerCase().includes(words));
    const busy = named.filter((name) => lively(name, frame));
    const shown = (quietToo || words ? named : busy).slice(0, most);
    keep(lanes, known, shown, (name) => lane(name));
    const focused = document.activeElement?.dataset?.swap;
    for (const name of shown) {
      drawLane(svgs.get(name), frame, {
        spans: past.spans.get(name) ?? [], waits: past.waits.get(name) ?? [], ticks, swaps: past.swaps.filter((swap) => swap.model === name),
      }, tips);
    }
    drawAxis(frame, ticks);
    const marks = swapMarks();
    const kept = focused && marks.find((mark) => mark.dataset.swap === focused);
    (kept ?? marks[marks.length - 1])?.setAttribute("tabindex", "0");
    kept?.focus({ preventScroll: true });
    const left = named.length - shown.length;
    more.hidden = left <= 0;
    put(more, quietToo ? `Show ${Math.min(left, LANES)} more` : `Show ${several(left, "model")} that did nothing`);
    said.hidden = shown.length > 0;
    put(said, store.names.length ? "No model was up in these hours." : "No models yet: swapd scan DIR --write finds some.");
    table.draw(past.swaps.filter((swap) => swap.time >= frame.from && (!words || swap.model.toLowerCase().includes(words))));
  });

  function lively(name, frame) {
    const spans = past.spans.get(name) ?? [];
    const now = store.models.get(name);
    return (now && lives(now)) || spans.some((each) => each.state !== "cold" && (each.until ?? frame.until) > frame.from);
  }

  function lane(name) {
    const svg = s("svg", { class: "spans", role: "group", "aria-label": clean(name, 80) });
    svgs.set(name, svg);
    return h("div", { class: "lane" }, h("bdi", { class: "name", title: clean(name, 200) }, brief(name, 36)), svg);
  }

  function drawAxis(frame, ticks) {
    axis.replaceChildren(...ticks.map((tick) => s("text", {
      x: `${(100 * (tick - frame.from)) / (frame.until - frame.from)}%`, y: 12, "text-anchor": "middle",
    }, HOUR.format(tick))));
  }

  function swapMarks() {
    return [...lanes.querySelectorAll(".swap")].sort((one, other) => Number(one.dataset.swap) - Number(other.dataset.swap));
  }

  function show(target) {
    const words = tips.get(target);
    tip.hidden = !words;
    if (!words) return;
    tip.replaceChildren(...words.map((line, at) => h("p", { class: at ? "" : "strong" }, line)));
    const box = target.getBoundingClientRect(), around = chart.getBoundingClientRect();
    const middle = Math.min(Math.max((box.left + box.right) / 2 - around.left, 0), around.width);
    tip.style.left = `${Math.max(8, Math.min(middle - tip.offsetWidth / 2, around.width - tip.offsetWidth - 8))}px`;
    tip.style.top = `${box.bottom - around.top + 8}px`;
  }

  chart.addEventListener("pointerover", (event) => show(event.target));
  chart.addEventListener("pointerleave", () => { tip.hidden = true; });
  chart.addEventListener("focusin", (event) => show(event.target));
  chart.addEventListener("focusout", () => { tip.hidden = true; });
  chart.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Escape") tip.hidden = true;
    if (!step || !event.target.matches?.(".swap")) return;
    const marks = swapMarks(), next = marks[marks.indexOf(event.target) + step];
    event.preventDefault();
    if (!next) return;
    event.target.setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });

  store.on("models", (names) => {
    const now = store.now();
    if (names === null && asked && store.line.state === "open") return void ask(); // a new beginning: what was missed is told there
    for (const name of names ?? store.names) past.stands(store.models.get(name), now);
    draw();
  });
  store.on("line", () => { if (asked && store.line.state === "open") ask(); });
  store.on("told", (told) => { past.hear(told); draw(); });
  store.on("tick", () => {
    ticked += 1;
    if (ticked % (hours < 1 ? 3 : 15) === 0 && tip.hidden) draw();
  });
  return {
    element,
    shown(name) {
      if (name) words = search.value = name.toLowerCase();
      if (asked) draw();
      else ask();
    },
  };
}

function ticksOf({ from, until }) {
  const step = STEPS.find((each) => (until - from) / each <= 8) ?? STEPS[STEPS.length - 1];
  const shift = new Date(until).getTimezoneOffset() * 60_000; // full hours are those of the wall
  const found = [];
  for (let tick = Math.ceil((from - shift) / step) * step + shift; tick < until; tick += step) {
    if (tick - from > step * 0.3 && until - tick > step * 0.3) found.push(tick);
  }
  return found;
}

function legend() {
  return h("ul", { class: "legend keys", "aria-label": "Legend" },
    LEGEND.map((state) => h("li", {}, s("svg", { width: 24, height: 14, "aria-hidden": "true" },
      s("rect", { width: 24, height: 14, rx: 2, class: `span ${state}` }),
      state === "ready" ? null : s("rect", { width: 24, height: 14, rx: 2, fill: `url(#p-${state})`, class: `over ${state}` })), state)),
    h("li", {}, s("svg", { width: 12, height: 14, viewBox: "-6 -2 12 14", "aria-hidden": "true" }, s("path", { d: "M0 9L-5 0H5Z", class: "swap" })), "swap"),
    h("li", {}, s("svg", { width: 24, height: 14, "aria-hidden": "true" }, s("rect", { y: 5, width: 24, height: 4, class: "wait" })), "requests waiting"));
}
