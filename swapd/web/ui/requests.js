// The last requests: where the time of each went, as a little bar and as numbers.

import { filter, framed, h, keep, put } from "./dom.js";
import { brief, clean, clock, count, span, time } from "./format.js";

const SHOWN = 200;
const COLUMNS = ["Ended", "Status", "Model", "Client", "Route", "Where the time went", "Total", "Tokens"];
const WORDS = { queued: "wait", loaded: "load", first: "first", rest: "rest" };
const PARTS = Object.keys(WORDS);

export function requests(desk) {
  const { store } = desk;
  let words = "", paused = false, missed = 0, asked = false, frozen = [];
  const known = new Map();
  const body = h("tbody", { role: "rowgroup" });
  const table = h("table", { class: "requests", role: "table", "aria-label": "Requests, newest first" },
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, COLUMNS.map((title) => h("th", { role: "columnheader", scope: "col" }, title)))), body);
  const empty = h("p", { class: "empty" });
  const full = h("li");
  const search = filter("Filter requests", (typed) => { words = typed; draw(); });
  const pause = h("button", { type: "button", "aria-pressed": "false", "data-pause": true, on: { click: () => {
    paused = !paused;
    missed = 0;
    frozen = paused ? store.requests.slice() : [];
    label();
    draw();
  } } }, "Pause");
  const element = h("section", { "aria-labelledby": "t-requests" },
    h("div", { class: "head" }, h("h1", { id: "t-requests" }, "Requests"), h("div", { class: "row" }, search, pause)),
    h("div", { class: "panel flush" }, table, empty),
    h("ul", { class: "legend keys", "aria-label": "Legend" }, [["queued", "waited"], ["loaded", "its engine loaded"], ["first", "to the first byte"], ["rest", "the rest"]]
      .map(([part, text]) => h("li", {}, h("i", { class: `part ${part}` }), text)), full));

  function label() {
    pause.setAttribute("aria-pressed", String(paused));
    put(pause, paused ? (missed ? `Go on (${missed} new)` : "Go on") : "Pause");
  }

  async function ask() {
    asked = true;
    try {
      store.recalled((await desk.api.json("admin/history?hours=6")).requests);
    } catch (error) {
      asked = false;
      put(empty, `Cannot show the last requests: ${clean(error.message)}`);
    }
    draw();
  }

  const draw = framed(() => {
    if (element.hidden) return;
    const rows = paused ? frozen : store.requests;
    const found = rows.filter((row) => !words || wordsOf(row).includes(words)).slice(-SHOWN).reverse();
    const scale = scaleOf(found);
    put(full, `a full bar is ${span(scale)}`);
    const byKey = new Map(found.map((row) => [`${row.id} ${row.at} ${scale}`, row]));
    keep(body, known, [...byKey.keys()], (key) => rowOf(byKey.get(key), scale));
    table.hidden = !found.length;
    empty.hidden = found.length > 0;
    if (asked && !found.length) put(empty, rows.length ? "No request is like that." : "Nobody has asked for anything yet. The playground can.");
  });

  store.on("answered", () => {
    if (!paused) draw();
    else {
      missed += 1;
      label();
    }
  });
  store.on("line", () => { if (asked && store.line.state === "open") ask(); });
  return {
    element,
    shown(name) {
      if (name) words = search.value = name.toLowerCase();
      if (asked) draw();
      else ask();
    },
  };
}

function wordsOf(row) {
  return [row.model, row.client, row.route, row.status, row.code].join(" ").toLowerCase();
}

/** The seconds that fill a bar: of the longest but for the tenth that would dwarf the rest; in round steps. */
function scaleOf(rows) {
  const totals = rows.map((row) => row.total ?? 0).sort((one, other) => one - other);
  const long = totals[Math.floor(totals.length * 0.9)] ?? 1;
  return 2 ** Math.ceil(Math.log2(Math.max(long, 0.01)));
}

function partsOf(row) {
  const loaded = row.loaded ?? 0, queued = Math.max(0, (row.queued ?? 0) - loaded), first = row.first_byte ?? 0;
  return { queued, loaded, first, rest: Math.max(0, (row.total ?? 0) - queued - loaded - first) };
}

function numbersOf(parts) {
  return PARTS.filter((part) => parts[part] >= 0.0005).map((part) => `${WORDS[part]} ${span(parts[part])}`).join(" · ");
}

function rowOf(row, scale) {
  const parts = partsOf(row), bad = row.status >= 400 || row.status === 0;
  const words = numbersOf(parts);
  const bar = h("div", { class: `stack${row.total > scale ? " over" : ""}`, role: "img", "aria-label": words, title: words });
  let room = 100;
  for (const part of PARTS) {
    const width = Math.min(room, (100 * parts[part]) / scale);
    if (width < 0.1) continue;
    room -= width;
    const piece = h("i", { class: `part ${part}` });
    piece.style.width = `${width}%`;
    bar.append(piece);
  }
  const cell = (kind, ...children) => h("td", { role: "cell", class: kind }, children);
  return h("tr", { role: "row" },
    cell("num when", clock(time(row.at))),
    cell("status", h("span", { class: `tag ${bad ? "bad" : "good"}`, title: clean(row.code ?? "", 80) }, row.status === 499 ? "499 left" : row.status || "none")),
    cell("model", h("bdi", { title: clean(row.model, 200) }, brief(row.model || "–")), row.run ? h("span", { class: "dim" }, ` #${row.run}`) : null),
    cell("client", h("bdi", {}, clean(row.client || "–", 60))),
    cell("route", clean(row.route, 60), row.code ? h("span", { class: "bad-text" }, ` ${clean(row.code, 40)}`) : null),
    cell("times", bar, h("span", { class: "num dim" }, numbersOf(parts))),
    cell("num total", span(row.total)),
    cell("num tokens", row.prompt === null && row.completion === null ? "–" : `${count(row.prompt)} → ${count(row.completion)}`));
}
