// What a model's engines write: followed, searched, and held in bounds whatever they write.

import { framed, h, filter, put } from "./dom.js";
import { brief, clean, door, several } from "./format.js";
import { Cutter, parts } from "./lines.js";

const KEPT = 5000; // lines
const TAIL = 1000; // lines of the past that are asked for
const STEP = 500; // lines put on the page per frame: a flood must not freeze it

export function logs(desk) {
  const { store } = desk;
  let name = null, lines = [], drawn = 0, dropped = 0, words = "", only = false, paused = false, later = [], missed = 0, leaving = null, at = -1;
  const pick = h("select", { "aria-label": "Model", on: { change: () => { location.hash = `logs/${encodeURIComponent(pick.value)}`; } } });
  const search = filter("Search", (typed) => { words = typed; redraw(); });
  search.addEventListener("keydown", (event) => { if (event.key === "Enter") step(event.shiftKey ? -1 : 1); });
  const hits = h("span", { class: "dim num", role: "status" });
  const onlyThese = h("input", { type: "checkbox", on: { change: () => { only = onlyThese.checked; redraw(); } } });
  const pause = h("button", { type: "button", "aria-pressed": "false", "data-pause": true, on: { click: () => {
    paused = !paused;
    if (!paused) goOn();
    label();
  } } }, "Pause");
  const list = h("div", { class: "log", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Log" });
  const said = h("p", { class: "dim log-said", role: "status" });
  const tools = h("div", { class: "row" }, pick, search, hits, h("label", { class: "check" }, onlyThese, "only matches"), pause,
    h("button", { type: "button", on: { click: clear } }, "Clear"));
  const none = h("p", { class: "panel empty", hidden: true }, "No models yet, so there are no logs: swapd scan DIR --write finds some.");
  const element = h("section", { class: "tall", "aria-labelledby": "t-logs" },
    h("div", { class: "head" }, h("h1", { id: "t-logs" }, "Logs"), tools), none, list, said);

  function label() {
    pause.setAttribute("aria-pressed", String(paused));
    put(pause, paused ? (missed ? `Go on (${missed} new)` : "Go on") : "Pause");
  }

  function goOn() {
    dropped += missed - later.length;
    add(later);
    later = [];
    missed = 0;
  }

  function clear() {
    lines = [];
    later = [];
    dropped = missed = 0;
    label();
    redraw();
  }

  /** Show another model's. */
  function follow(next) {
    leaving?.abort();
    name = next;
    clear();
    if (name !== null) read(name, leaving = new AbortController());
  }

  async function read(model, control) {
    const cutter = new Cutter();
    put(said, "Following.");
    try {
      const answer = await desk.api.open(door("logs", model, `?follow=1&tail=${TAIL}`), { signal: control.signal });
      const reader = answer.body.getReader(), text = new TextDecoder();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        take(cutter.feed(text.decode(value, { stream: true })));
      }
      if (leaving === control) ended("The log's stream has ended");
    } catch (error) {
      if (error.name === "AbortError" || leaving !== control) return;
      if (error.status === 404) unknown(error.message);
      else ended(`Cannot follow the log: ${clean(error.message)}`);
    }
  }

  /** No use in asking again before there are other models. */
  function unknown(why) {
    leaving = null;
    put(said, `Cannot follow the log: ${clean(why)}`);
  }

  function ended(why) {
    leaving = null;
    put(said, `${why}; it goes on when the daemon is back.`);
    if (store.line.state === "open" && !element.hidden) setTimeout(again, 2000);
  }

  function again() {
    if (leaving || element.hidden || name === null || store.line.state !== "open") return;
    if (lines.length) take(["··· the daemon was away; what follows may repeat some lines ···"]);
    read(name, leaving = new AbortController());
  }

  /** What stands on a page that is paused stays there; what comes meanwhile waits, in bounds. */
  function take(fresh) {
    if (!paused) return void add(fresh);
    missed += fresh.length;
    later = [...later, ...fresh].slice(-KEPT);
    label();
  }

  function add(fresh) {
    lines.push(...fresh);
    if (lines.length > KEPT) {
      const over = lines.length - KEPT;
      lines.splice(0, over);
      drawn = Math.max(0, drawn - over);
      dropped += over;
    }
    draw();
  }

  const draw = framed(() => {
    if (element.hidden) return;
    while (list.childElementCount > 0 && Number(list.firstChild.dataset.at) < dropped) list.firstChild.remove();
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
    const fresh = document.createDocumentFragment();
    for (const end = Math.min(lines.length, drawn + STEP); drawn < end; drawn += 1) {
      const pieces = parts(lines[drawn], words);
      if (only && words && !pieces.some(([, hit]) => hit)) continue;
      fresh.append(lineOf(pieces, drawn + dropped));
    }
    list.append(fresh);
    if (atEnd) list.scrollTop = list.scrollHeight;
    if (drawn < lines.length) draw();
    tell();
  });

  function tell() {
    const marks = list.querySelectorAll("mark").length;
    put(hits, words ? `${at >= 0 && marks ? `${Math.min(at + 1, marks)} of ` : ""}${marks} found` : "");
    if (!lines.length && name !== null) put(said, "Following. Nothing was written yet: the log begins when the model is loaded.");
    else if (leaving) put(said, `Following. ${lines.length + dropped < TAIL ? "" : "The last "}${several(lines.length, "line")}${dropped ? `, ${dropped} older ones let go` : ""}.`);
  }

  function redraw() {
    list.replaceChildren();
    drawn = 0;
    at = -1;
    list.scrollTop = 0;
    draw();
  }

  function step(by) {
    const marks = list.querySelectorAll("mark");
    if (!marks.length) return;
    marks[at]?.classList.remove("here");
    at = (at + by + marks.length) % marks.length;
    marks[at].classList.add("here");
    marks[at].scrollIntoView({ block: "center" });
    tell();
  }

  function models() {
    if (document.activeElement === pick) return; // an open list must not change under the pointer
    none.hidden = store.names.length > 0;
    for (const each of [tools, list, said]) each.hidden = !none.hidden && name === null;
    pick.replaceChildren(...store.names.map((each) => h("option", { value: each, selected: each === name }, brief(each, 60))));
  }

  store.on("models", (names) => {
    if (element.hidden || (names !== null && name !== null)) return;
    models();
    if (name === null && store.names.length) follow(store.names[0]);
    else again();
  });
  store.on("line", () => again());
  return {
    element,
    shown(wanted) {
      const next = wanted ?? name ?? likely(store);
      if (next !== name || !leaving) follow(next);
      models();
      draw();
    },
    hidden() {
      leaving?.abort();
      leaving = null;
    },
  };
}

function likely(store) {
  return store.names.find((each) => store.models.get(each).state !== "cold") ?? store.names[0] ?? null;
}

function lineOf(pieces, number) {
  return h("div", { class: pieces[0][0].startsWith("--- ") ? "line ours" : "line", "data-at": String(number) },
    pieces.map(([text, hit]) => (hit ? h("mark", {}, text) : text)));
}
