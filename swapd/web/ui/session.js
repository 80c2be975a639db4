// Whether the daemon wants a key, and the form that asks for it, once.

import { ROOT } from "./api.js";
import { h } from "./dom.js";
import { clean } from "./format.js";

const AT = `ui/session?at=${encodeURIComponent(ROOT.pathname)}`; // the cookie is for what is below

/** Asks `/ui/session`, and keeps the token that changes of state are sent with. */
export class Session {
  keyed = false;
  reason = ""; // why the daemon does not let us in
  #tabs = new BroadcastChannel(`swapd.session ${ROOT.pathname}`); // all tabs of this daemon share the cookie

  constructor(api) {
    this.api = api;
  }

  /** Call `heard("entered" or "left")` when another tab has logged in or out. */
  elsewhere(heard) {
    this.#tabs.onmessage = (event) => heard(event.data);
  }

  /** `open`, `locked` or `away`. */
  async look() {
    try {
      const found = await this.api.json("ui/session", { signal: AbortSignal.timeout?.(5000) });
      this.api.token = found.token;
      this.keyed = found.needs_key;
      this.reason = found.reason ?? "";
      return found.open ? "open" : "locked";
    } catch {
      return "away";
    }
  }

  /** Raises Refused. */
  async enter(key) {
    const found = await this.api.json(AT, { method: "POST", body: { key } });
    this.api.token = found.token;
    this.#tabs.postMessage("entered");
  }

  /** Raises Refused. */
  async leave() {
    await this.api.json(AT, { method: "DELETE" });
    this.api.token = null;
    this.#tabs.postMessage("left");
  }
}

/** The form. `entered()` is called with the right key. */
export function asksForKey(session, why, entered) {
  const key = h("input", {
    id: "key", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "key-said",
  });
  const said = h("p", { id: "key-said", class: "bad-text", role: "alert" }, why);
  const go = h("button", { class: "main", type: "submit" }, "Open");
  const form = h("form", { class: "panel key", on: { submit: async (event) => {
    event.preventDefault();
    go.disabled = true;
    said.textContent = "";
    try {
      await session.enter(key.value);
      key.value = "";
      entered();
    } catch (error) {
      said.textContent = error.status === 401 ? "That is not the key." : `Cannot open: ${clean(error.message)}`;
      key.select();
    } finally {
      go.disabled = false;
    }
  } } },
  h("h1", {}, "The operator's key"),
  h("p", { class: "dim" }, "This daemon shows itself to whoever has the key that stands in its config as admin.key."),
  h("label", { for: "key" }, "Key"), h("div", { class: "row" }, key, go), said);
  return { element: form, focus: () => key.focus() };
}
