// The swaps of the shown hours as a table: what each cost, and who waited.

import { h } from "./dom.js";
import { clean, clock, several, span } from "./format.js";

const SHOWN = 50;
const PARTS = ["drain", "stop", "freed", "spawn", "load", "total"];

/** A region that scrolls sideways by itself where the screen is narrow. */
export function swapTable() {
  const body = h("tbody");
  const table = h("table", { class: "swaps" }, h("caption", { class: "unseen" }, "Swaps, newest first"), h("thead", {}, h("tr", {},
    ["At", "To", "Made room", "Cause", ...PARTS, "Waited"].map((title) =>
      h("th", { scope: "col", class: PARTS.includes(title) ? "num" : "" }, title[0].toUpperCase() + title.slice(1))))), body);
  const empty = h("p", { class: "empty" }, "No swaps in these hours: whatever was asked for was up, or fitted beside the rest.");
  const element = h("div", { class: "panel flush wide", tabindex: "0", role: "region", "aria-label": "Swaps" }, table, empty);

  function draw(swaps) {
    table.hidden = !swaps.length;
    empty.hidden = Boolean(swaps.length);
    body.replaceChildren(...swaps.slice(-SHOWN).reverse().map(row));
  }
  return { element, draw };
}

function row(swap) {
  const seconds = swap.seconds ?? {}, waited = swap.waited ?? {};
  return h("tr", {}, h("td", { class: "num" }, clock(swap.time)), h("th", { scope: "row" }, h("bdi", {}, clean(swap.model, 80))),
    h("td", {}, clean((swap.evicted ?? []).join(", "), 200)), h("td", {}, clean(swap.why ?? swap.text, 200)),
    PARTS.map((part) => h("td", { class: "num" }, seconds[part] === undefined ? "–" : span(seconds[part]))),
    h("td", {}, waited.requests ? `${several(waited.requests, "request")}, ${span(waited.longest)}` : "nobody"));
}
