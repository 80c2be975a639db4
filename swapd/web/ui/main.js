// Puts the page together: the session, the stream, the sections, and the keys that lead to them.

import { Api } from "./api.js";
import { helper } from "./dialog.js";
import { h, memory, put } from "./dom.js";
import { events } from "./events.js";
import { age, clean, clock } from "./format.js";
import { Live } from "./live.js";
import { overview } from "./overview.js";
import { asksForKey, Session } from "./session.js";
import { Store } from "./store.js";

// What the first look does not need comes a moment later, so that the first paint need not wait for it.
const SECTIONS = {
  overview: async () => overview,
  timeline: async () => (await import("./timeline.js")).timeline,
  requests: async () => (await import("./requests.js")).requests,
  events: async () => events,
  logs: async () => (await import("./logs.js")).logs,
  config: async () => (await import("./config.js")).config,
  playground: async () => (await import("./playground.js")).playground,
};
const NEWS = new Set(["swap", "ready", "failed", "kill"]); // what is read aloud
const ENDED = "The session has ended. The key, once more:";
const SAID = 8000; // milliseconds that a remark stays

const get = (id) => document.getElementById(id);
const main = get("main"), banner = get("banner"), hint = get("hint"), line = get("line");
const api = new Api(), store = new Store(), session = new Session(api), live = new Live(store, session);
const desk = { api, store, say };
const built = new Map();
let current = null, wanted = "", version = null;

function say(text, kind = "") {
  const remark = h("p", { class: kind }, text);
  get("said").append(remark);
  setTimeout(() => remark.remove(), SAID);
}

/** `#logs/qwen` is the section and what it is to show. */
function route() {
  const [name, ...rest] = location.hash.slice(1).split("/");
  if (name === "main") return; // to the content, past the header
  const section = Object.hasOwn(SECTIONS, name) ? name : "overview";
  let about = null;
  try {
    about = rest.length ? decodeURIComponent(rest.join("/")) : null;
  } catch { /* Not one of our addresses. */ }
  show(section, about);
}

async function show(name, about) {
  if (store.line.state === "locked" || !store.status) return;
  wanted = name;
  try {
    const make = await SECTIONS[name]();
    if (wanted !== name || store.line.state === "locked") return; // somebody was quicker
    if (!built.has(name)) built.set(name, make(desk));
  } catch (error) {
    say(`Cannot open ${name}: ${clean(error.message)}`, "bad");
    return;
  }
  const section = built.get(name);
  if (current !== section) {
    if (current) {
      current.element.hidden = true;
      current.hidden?.();
    }
    current = section;
    section.element.hidden = false;
    if (section.element.parentNode !== main) main.append(section.element);
    scrollTo(0, 0);
  }
  main.querySelector(":scope > .empty, :scope > .key")?.remove();
  document.title = name === "overview" ? "swapd" : `${name} · swapd`;
  for (const link of document.querySelectorAll(".top nav a")) {
    if (link.hash === `#${name}`) {
      link.setAttribute("aria-current", "page");
      link.parentNode.scrollLeft = link.offsetLeft - link.parentNode.offsetLeft - 40;
    } else link.removeAttribute("aria-current");
  }
  section.shown?.(about);
}

function lock(why) {
  live.close();
  store.stands("locked");
  if (current) {
    current.element.hidden = true;
    current.hidden?.();
  }
  current = null; // its element leaves the page, and comes back with the key
  const form = asksForKey(session, why, enter);
  main.replaceChildren(session.keyed ? form.element : h("p", { class: "empty" }, `The daemon does not let this browser in: ${clean(session.reason)}`));
  form.focus();
}

/** Past the form. */
async function enter() {
  if (await session.look() === "locked") return;
  main.replaceChildren();
  store.stands("connecting");
  live.open();
}

function standing() {
  const { state, since, before } = store.line;
  const words = { open: "live", away: "away", connecting: "connecting", locked: "locked", resting: "resting" };
  line.className = `line ${state}`;
  put(line.lastElementChild, words[state]);
  get("leave").hidden = !session.keyed || state === "locked";
  get("sections").hidden = state === "locked"; // they lead nowhere
  document.body.classList.toggle("stale", state === "away");
  banner.hidden = state !== "away";
  if (state === "open") opened(before);
  if (state === "away") put(banner, `The daemon does not answer since ${clock(store.fresh || since)}. What you see is from then; this page goes on by itself.`);
  if (state === "locked" && !main.querySelector(".key")) lock(version === null ? "" : ENDED);
}

function opened(before) {
  if (before === "away") say("The daemon is back; all of this is as it is now.", "good");
  route();
}

/** Another version has other pages, too. */
function versions() {
  const now = store.status.version;
  if (version === null) setTimeout(() => Object.values(SECTIONS).map((load) => load().catch(() => {})), 500);
  version ??= now;
  hint.hidden = version === now;
  if (version !== now) {
    hint.replaceChildren(`The daemon is version ${clean(now, 40)} now, this page is of ${clean(version, 40)}. `,
      h("button", { type: "button", on: { click: () => location.reload() } }, "Reload the page"));
  }
}

function turnShade() {
  const dark = document.documentElement.dataset.shade ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  const next = dark === "dark" ? "light" : "dark";
  document.documentElement.dataset.shade = next;
  memory.set("shade", next);
}

const help = helper();

function pressed(event) {
  const typing = event.target.matches?.("input, textarea, select");
  if (event.key === "Escape" && event.target.matches?.(".filter")) {
    event.target.value = "";
    event.target.dispatchEvent(new Event("input"));
  }
  if (typing || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const names = Object.keys(SECTIONS), number = Number(event.key);
  const does = {
    "?": help, t: turnShade,
    "/": () => current?.element.querySelector(".filter")?.focus(),
    p: () => current?.element.querySelector("[data-pause]")?.click(),
  }[event.key] ?? (names[number - 1] ? () => { location.hash = names[number - 1]; } : null);
  if (!does) return;
  event.preventDefault();
  does();
}

get("shade").addEventListener("click", turnShade);
get("help").addEventListener("click", help);
get("leave").addEventListener("click", async () => {
  try {
    await session.leave();
    location.reload(); // nothing of what was shown stays
  } catch (error) {
    say(`Cannot log out: ${clean(error.message)}`, "bad");
  }
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", route);
addEventListener("keydown", pressed);
store.on("line", standing);
store.on("status", versions);
store.on("told", (told) => {
  const fresh = store.now() - Date.parse(told.at) < 5000; // not the tail of what was told before
  if (fresh && NEWS.has(told.type)) put(get("news"), clean(told.text, 200));
});
api.locked = async () => { // it may also be an upstream that wants a key of its own
  if (await session.look() === "locked" && store.line.state !== "locked") lock(ENDED);
};
api.renewed = async () => {
  const before = api.token;
  return await session.look() === "open" && api.token !== before;
};
session.elsewhere((what) => {
  if (what === "left" && session.keyed && store.line.state !== "locked") location.reload(); // nothing of it stays here either
  if (what === "entered" && store.line.state === "locked") enter();
});
setInterval(() => {
  if (document.hidden || store.line.state === "locked") return;
  live.check();
  store.tell("tick");
  if (store.line.state === "away") put(line.lastElementChild, `away ${age((Date.now() - store.line.since) / 1000)}`);
}, 1000);

const found = await session.look();
if (found === "locked") lock("");
else live.open();
