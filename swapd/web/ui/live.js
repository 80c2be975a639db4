// The one stream that everything live comes from, and what is done when it breaks.

import { eventsOf } from "./streams.js";

const LONGEST = 5000; // milliseconds between two tries, at most
const HIDDEN = 5 * 60_000; // a page that nobody has looked at for so long lets go of its stream
const SILENCE = 35_000; // the daemon sends a comment after 15 s: when not even that comes, the way to it is broken

/** Keeps the store as the daemon is. `session.look()` says whether a key is wanted. */
export class Live {
  #control = null;
  #heard = 0; // when the last bytes came
  #wait = 250;
  #timer = 0;
  #hidden = 0;

  constructor(store, session) {
    this.store = store;
    this.session = session;
    document.addEventListener("visibilitychange", () => this.#looked());
    addEventListener("online", () => { if (store.line.state !== "locked") this.open(); });
  }

  /** Begin, or begin anew. */
  open() {
    this.close();
    this.#heard = Date.now();
    this.#read(this.#control = new AbortController());
  }

  close() {
    clearTimeout(this.#timer);
    this.#control?.abort();
    this.#control = null;
  }

  /** Now and then: a connection that died unseen (a laptop slept, a tunnel hangs) is given up. */
  check() {
    if (this.#control && Date.now() - this.#heard > SILENCE) this.#broken(this.#control, this.#heard);
  }

  async #read(control) {
    try {
      const answer = await this.session.api.open("admin/live?tail=100", { signal: control.signal, accept: "text/event-stream" });
      for await (const { type, data } of eventsOf(answer, () => { this.#heard = Date.now(); })) {
        if (control !== this.#control || type === "bye") break;
        this.#wait = 250;
        this.#hear(type, JSON.parse(data));
      }
    } catch { /* However it ended, it is begun anew. */ }
    this.#broken(control);
  }

  #hear(type, told) {
    if (type === "hello") {
      this.store.hello(told);
      this.store.stands("open");
    } else if (type === "change") this.store.change(told);
    else if (type === "told") this.store.hear(told);
    else if (type === "answered") this.store.answered(told.requests, told.skipped);
  }

  /** `last`: when it was still well. */
  async #broken(control, last = Date.now()) {
    if (control !== this.#control) return;
    this.close();
    if (this.store.line.state === "open") this.store.fresh = last;
    const found = await this.session.look();
    if (this.#control || this.store.line.state === "resting") return; // somebody else has begun anew, or nobody looks
    if (found === "locked") {
      this.store.stands("locked");
      return;
    }
    if (found === "away") this.store.stands("away");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.open(), this.#wait);
    this.#wait = Math.min(this.#wait * 2, LONGEST);
  }

  #looked() {
    clearTimeout(this.#hidden);
    if (document.hidden) {
      this.#hidden = setTimeout(() => {
        if (this.store.line.state === "locked") return;
        this.close();
        this.store.stands("resting");
      }, HIDDEN);
    } else if (!this.#control && this.store.line.state !== "locked") {
      this.#wait = 250;
      this.open();
    } else this.check();
  }
}
