// The event feed: what happened and was decided, in the daemon's own sentences.

import { choice, filter, framed, h, memory, put } from "./dom.js";
import { clean, clock, time } from "./format.js";

const SHOWN = 400;
const RANK = { debug: 0, info: 1, warning: 2 };

/** One event as a list item. */
export function item(told) {
  const level = told.level in RANK ? told.level : "info";
  return h("li", { class: `told ${level}` }, h("time", { class: "num dim" }, clock(time(told.at))),
    h("span", { class: `tag ${level === "warning" ? "bad" : ""}` }, clean(told.type, 24)),
    level === "warning" ? h("span", { class: "unseen" }, "warning: ") : null,
    h("span", { class: "text" }, h("bdi", {}, clean(told.text, 800))));
}

export function events(desk) {
  const { store } = desk;
  let words = "", level = memory.get("level", "info"), paused = false, missed = 0;
  const list = h("ol", { class: "feed", "aria-label": "Events, newest first" });
  const empty = h("p", { class: "empty" });
  const pause = h("button", { type: "button", "aria-pressed": "false", "data-pause": true, on: { click: () => {
    paused = !paused;
    missed = 0;
    label();
    if (!paused) draw();
  } } }, "Pause");
  const element = h("section", { "aria-labelledby": "t-events" },
    h("div", { class: "head" }, h("h1", { id: "t-events" }, "Events"),
      h("div", { class: "row" }, filter("Filter events", (typed) => { words = typed; draw(); }),
        choice("Level", [["debug", "Everything"], ["info", "Info and warnings"], ["warning", "Warnings"]], level, (value) => {
          level = value;
          memory.set("level", value);
          draw();
        }), pause)),
    h("div", { class: "panel flush" }, list, empty));

  function label() {
    pause.setAttribute("aria-pressed", String(paused));
    put(pause, paused ? (missed ? `Go on (${missed} new)` : "Go on") : "Pause");
  }

  const draw = framed(() => {
    if (element.hidden) return;
    const found = store.told.filter((told) => (RANK[told.level] ?? 1) >= RANK[level]
      && (!words || `${told.type} ${told.text}`.toLowerCase().includes(words)));
    list.replaceChildren(...found.slice(-SHOWN).reverse().map(item));
    empty.hidden = found.length > 0;
    put(empty, store.told.length ? "No event is like that." : "Nothing has happened yet: events appear here as they are told.");
  });

  store.on("told", () => {
    if (!paused) draw();
    else {
      missed += 1;
      label();
    }
  });
  return { element, shown: draw };
}
