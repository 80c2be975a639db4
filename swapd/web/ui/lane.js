// One model's lane of the timeline, as SVG. Places are in percent of the width, so nothing is measured.

import { s } from "./dom.js";
import { clean, clock, several, span as lasts } from "./format.js";

const NARROW = 0.05; // percent: what ends so soon after the last one drawn is not drawn
const WORDED = 9; // percent: a span so wide says its state

/** The patterns that tell states apart without colour; once in the document. */
export function patterns() {
  const line = (d) => s("path", { d, class: "stroke" });
  const pattern = (id, ...marks) => s("pattern", { id: `p-${id}`, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, marks);
  return s("svg", { class: "defs", "aria-hidden": "true", width: 0, height: 0 }, s("defs", {},
    pattern("starting", line("M-2 2l4-4M0 8l8-8M6 10l4-4")),
    pattern("draining", s("circle", { cx: 2, cy: 2, r: 1.2, class: "dot" }), s("circle", { cx: 6, cy: 6, r: 1.2, class: "dot" })),
    pattern("stopping", line("M2 0v8M6 0v8")),
    pattern("failed", line("M0 0l8 8M8 0l-8 8"))));
}

const PATTERN = { starting: "starting", draining: "draining", saving: "draining", stopping: "stopping", killing: "stopping", backoff: "failed", failed: "failed" };

/** Draws into an <svg>. `frame` is {from, until} in milliseconds; `tips` gets element -> its words. */
export function drawLane(svg, frame, { spans, waits, swaps, ticks }, tips) {
  const at = (when) => Math.max(0, Math.min(100, (100 * (when - frame.from)) / (frame.until - frame.from)));
  const seen = (each) => (each.until ?? frame.until) > frame.from && each.from < frame.until;
  const parts = ticks.map((tick) => s("line", { x1: `${at(tick)}%`, x2: `${at(tick)}%`, y1: 0, y2: 34, class: "grid" }));
  let end = -1;
  for (const each of spans) {
    if (each.state === "cold" || !seen(each)) continue;
    const left = at(each.from), right = at(each.until ?? frame.until);
    if (right - end < NARROW) continue;
    end = right;
    parts.push(...block(each, left, right - left, frame, tips));
  }
  for (const each of waits.filter(seen)) {
    const left = at(each.from);
    const bar = s("rect", { x: `${left}%`, y: 27, width: `${Math.max(0.15, at(each.until ?? frame.until) - left)}%`, height: 4, class: "wait" });
    tips.set(bar, waitWords(each, frame));
    parts.push(bar);
  }
  parts.push(...swaps.filter((swap) => swap.time >= frame.from && swap.time <= frame.until).map((swap) => mark(swap, at(swap.time), tips)));
  svg.replaceChildren(...parts);
}

function block(each, left, width, frame, tips) {
  const place = { x: `${left}%`, y: 8, width: `${Math.max(width, 0.1)}%`, height: 16 };
  const rect = s("rect", { ...place, class: `span ${each.state}`, rx: 2 });
  tips.set(rect, spanWords(each, frame));
  const found = [rect];
  if (PATTERN[each.state]) found.push(s("rect", { ...place, rx: 2, fill: `url(#p-${PATTERN[each.state]})`, class: `over ${each.state}` }));
  if (width > WORDED && each.state !== "starting") {
    found.push(s("text", { x: `${left}%`, dx: 6, y: 20, class: "word" }, each.state));
  }
  return found;
}

function mark(swap, left, tips) {
  const words = swapWords(swap);
  const shape = s("path", { d: "M0 9L-5 0H5Z", class: "swap", role: "img", "aria-label": words.join(". "), tabindex: -1, "data-swap": `${swap.time}` });
  tips.set(shape, words);
  return s("svg", { x: `${left}%`, y: 0, overflow: "visible", width: 1, height: 1 }, shape);
}

function spanWords(each, frame) {
  const until = each.until ?? frame.until;
  return [`${each.state}${each.run ? `, run ${each.run}` : ""}, ${lasts((until - each.from) / 1000)}`,
    `${clock(each.from)} – ${each.until === null ? "now" : clock(each.until)}`, clean(each.why ?? "", 300)].filter(Boolean);
}

function waitWords(each, frame) {
  const long = each.longest ?? ((each.until ?? frame.until) - each.from) / 1000;
  return [`${several(each.requests, "request")} waited, up to ${lasts(long)}`, `from ${clock(each.from)}`];
}

/** A swap in a few lines. */
function swapWords(swap) {
  const parts = Object.entries(swap.seconds ?? {}).filter(([part, value]) => part !== "total" && value)
    .map(([part, value]) => `${clean(part, 20)} ${lasts(value)}`);
  return [`swap at ${clock(swap.time)}`, clean(swap.text, 400), swap.why ? `cause: ${clean(swap.why, 300)}` : "", parts.join(", ")].filter(Boolean);
}
