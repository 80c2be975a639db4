// What is known, and who wants to hear of changes. `live` writes here; sections read.

const TOLD = 1000; // events kept
const ROWS = 500; // requests kept

/** Topics: `status` (top level), `models` (a Set of names, or null: all), `told`, `answered`, `line`, `tick`. */
export class Store {
  status = null;
  models = new Map();
  names = [];
  told = [];
  requests = [];
  line = { state: "connecting", since: Date.now() };
  fresh = 0; // when the daemon was last heard, by our clock
  #ahead = 0; // milliseconds that the daemon's clock is before ours
  #ears = new Map();
  #seen = new Set();

  /** Call `heard(detail)` whenever it happens. */
  on(topic, heard) {
    if (!this.#ears.has(topic)) this.#ears.set(topic, []);
    this.#ears.get(topic).push(heard);
  }

  tell(topic, detail) {
    for (const heard of [...this.#ears.get(topic) ?? []]) heard(detail); // one that comes meanwhile knows already
  }

  /** Milliseconds by the daemon's clock. While the daemon is away, time stands still: nothing is known of it. */
  now() {
    return (this.line.state === "away" ? this.fresh : Date.now()) + this.#ahead;
  }

  /** The whole picture. */
  hello({ now, status }) {
    this.#heard(now);
    const { models, ...rest } = status;
    this.status = rest;
    this.models = new Map(models.map((model) => [model.name, model]));
    this.names = [...this.models.keys()];
    this.tell("status");
    this.tell("models", null);
  }

  /** What differs from the last picture. */
  change({ now, status = {}, models = [], names }) {
    this.#heard(now);
    Object.assign(this.status, status);
    for (const model of models) this.models.set(model.name, model);
    if (names) {
      this.names = names;
      const left = new Set(names);
      for (const name of this.models.keys()) if (!left.has(name)) this.models.delete(name);
    }
    if (Object.keys(status).length) this.tell("status");
    this.tell("models", names ? null : new Set(models.map((model) => model.name)));
  }

  /** An event. After a new beginning the last ones are told again: each is kept once. */
  hear(told) {
    const mark = `${told.at} ${told.type} ${told.text}`;
    if (this.#seen.has(mark)) return;
    this.#seen.add(mark);
    this.told.push(told);
    if (this.told.length > TOLD) {
      this.told = this.told.slice(-TOLD * 0.8);
      this.#seen = new Set(this.told.map((each) => `${each.at} ${each.type} ${each.text}`));
    }
    this.tell("told", told);
  }

  /** Requests that ended, oldest first; those known already are left out. */
  answered(rows, skipped = 0) {
    const known = new Set(this.requests.slice(-ROWS).map((row) => `${row.id} ${row.at}`));
    const fresh = rows.filter((row) => !known.has(`${row.id} ${row.at}`));
    if (!fresh.length && !skipped) return;
    this.requests.push(...fresh);
    if (this.requests.length > ROWS) this.requests.splice(0, this.requests.length - ROWS);
    this.tell("answered", skipped);
  }

  /** Requests that ended before the page was opened, or while the daemon was out of sight. */
  recalled(rows) {
    const live = this.requests;
    this.requests = [];
    this.answered(rows);
    this.answered(live);
    this.requests.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0));
  }

  /** How the stream stands: connecting, open, away, locked, resting. */
  stands(state, why = "") {
    if (this.line.state === state && this.line.why === why) return;
    const since = this.line.state === state ? this.line.since : Date.now();
    const before = this.line.state;
    this.line = { state, since, why, before };
    this.tell("line");
  }

  #heard(now) {
    this.fresh = Date.now();
    this.#ahead = Date.parse(now) - this.fresh;
  }
}
