// The first section: what the machine holds, how every model stands, and what happened last.

import { bars, lives } from "./bars.js";
import { choice, filter, framed, h, keep, memory, put } from "./dom.js";
import { age, clean, several, time } from "./format.js";
import { item } from "./events.js";
import { Table } from "./table.js";

const LATEST = 6; // events shown here
const ROWS = 150; // models shown before one asks for more: a filter finds the others sooner
const KINDS = {
  all: () => true,
  up: lives,
  waiting: (model) => model.waiting > 0,
  trouble: (model) => Boolean(model.last_failure && !lives(model)) || Boolean(model.never_fits),
};

export function overview(desk) {
  const { store } = desk;
  let words = "", kind = memory.get("kind", "all"), most = ROWS, changed = null; // null: all of them
  const strip = bars(desk), table = new Table(desk);
  const tally = h("p", { class: "dim tally", role: "status" });
  const problems = h("p", { class: "notice bad", hidden: true });
  const empty = h("div", { class: "empty", hidden: true });
  const more = h("button", { type: "button", class: "quiet more", hidden: true, on: { click: () => { most = Infinity; draw(); } } });
  const latest = h("ol", { class: "feed" });
  const quiet = h("p", { class: "empty" }, "Nothing has happened since the daemon started.");
  const life = h("p", { class: "dim life" });
  const seen = new Map();
  const picks = h("div", { class: "row" }, filter("Filter models", (typed) => { words = typed; redraw(); }),
    choice("Which models", [["all", "All"], ["up", "Up"], ["waiting", "Waited for"], ["trouble", "In trouble"]], kind, (value) => {
      kind = value;
      memory.set("kind", value);
      redraw();
    }));
  const element = h("section", { "aria-labelledby": "t-overview" },
    h("h1", { id: "t-overview", class: "unseen" }, "Overview"), problems, strip.element,
    h("div", { class: "head" }, h("h2", {}, "Models"), tally, picks),
    h("div", { class: "panel flush" }, table.element, empty, more),
    h("div", { class: "head" }, h("h2", {}, "Just now"), h("a", { href: "#events" }, "All events")),
    h("div", { class: "panel flush" }, latest, quiet), life);

  function tick() {
    const since = time(store.status?.since);
    put(life, Number.isNaN(since) ? "" : `swapd ${clean(store.status.version, 40)}, up ${age((store.now() - since) / 1000)}`);
  }

  const draw = framed(() => {
    if (!store.status || element.hidden) return;
    strip.draw();
    const found = store.names.filter((name) => wanted(store.models.get(name), words, kind));
    table.draw(found.slice(0, most), changed);
    changed = new Set();
    more.hidden = found.length <= most;
    put(more, `Show ${found.length - most} more`);
    const up = store.names.filter((name) => lives(store.models.get(name))).length;
    const waits = store.names.reduce((sum, name) => sum + store.models.get(name).waiting, 0);
    put(tally, !store.names.length ? "" : `${up} of ${store.names.length} up${waits ? `, ${several(waits, "request")} waiting` : ""}`);
    table.element.hidden = !found.length;
    picks.hidden = !store.names.length;
    empty.hidden = Boolean(found.length);
    if (!found.length) empty.replaceChildren(...nothing(store.names.length));
    const count = store.status.problems?.length ?? 0;
    problems.hidden = !count;
    if (count) problems.replaceChildren(`The config has ${several(count, "problem")}; what was in force before still is. `, h("a", { href: "#config" }, "Show"));
    const last = store.told.filter((told) => told.level !== "debug").slice(-LATEST).reverse();
    const byKey = new Map(last.map((told) => [`${told.at}${told.type}${told.text}`, told]));
    keep(latest, seen, [...byKey.keys()], (key) => item(byKey.get(key)));
    quiet.hidden = last.length > 0;
    tick();
  });

  function redraw() {
    changed = null;
    draw();
  }

  store.on("models", (names) => {
    if (names === null) changed = null;
    else if (changed) for (const name of names) changed.add(name);
    draw();
  });
  store.on("status", draw);
  store.on("told", draw);
  store.on("tick", () => {
    if (element.hidden) return;
    table.tick();
    tick();
  });
  return {
    element,
    shown(name) {
      draw();
      if (name) requestAnimationFrame(() => table.unfold(name));
    },
  };
}

function wanted(model, words, kind) {
  if (!model || !(KINDS[kind] ?? KINDS.all)(model)) return false;
  if (!words) return true;
  const text = [model.name, model.state, ...(model.aliases ?? [])].join(" ").toLowerCase();
  return words.split(/\s+/).every((word) => text.includes(word));
}

function nothing(all) {
  if (all) return [h("p", {}, "No model is like that. Clear the filter to see all of them.")];
  return [h("p", {}, h("b", {}, "No models yet.")),
    h("p", {}, "Find the ones on this machine and write them into the config:"),
    h("pre", {}, "swapd scan DIR --write"),
    h("p", { class: "dim" }, "The daemon takes them up as soon as the config is saved.")];
}
