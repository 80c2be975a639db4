// What was up when: as `/admin/history` tells it, and kept up with what the page hears since.

import { time } from "./format.js";

const MOST = 4000; // spans kept of a model
const REASONS = new Set(["start", "adopt", "drain", "stop", "failed", "gone", "kill"]);

/** Times are milliseconds of the daemon's clock; `until` is null for what lasts. */
export class Past {
  spans = new Map(); // model -> [{state, from, until, run, why}], oldest first
  swaps = [];
  waits = new Map(); // model -> [{from, until, requests, longest}]
  from = 0;

  take(history) {
    this.from = time(history.from);
    this.spans = new Map(Object.entries(history.models).map(([name, spans]) => [name, spans.map(dated)]));
    this.swaps = history.swaps.map((swap) => ({ ...swap, time: time(swap.at) }));
    this.waits = new Map();
    for (const wait of history.waits) this.#waitsOf(wait.model).push(dated(wait));
  }

  /** How a model stands now. */
  stands(model, now) {
    const spans = this.#spansOf(model.name), last = spans[spans.length - 1];
    if (!last || last.until !== null || last.state !== model.state || (model.run && last.run && last.run !== model.run)) {
      if (last && last.until === null) last.until = now;
      if (model.state !== "cold") spans.push({ state: model.state, from: now, until: null, run: model.run, why: "" });
      if (spans.length > MOST) spans.splice(0, spans.length - MOST);
    }
    this.#waited(model, now);
  }

  /** An event: a swap is kept, a reason belongs to the span it began. */
  hear(told) {
    if (told.type === "swap") {
      const at = time(told.at);
      if (!this.swaps.some((swap) => swap.model === told.model && Math.abs(swap.time - at) < 1000)) this.swaps.push({ ...told, time: at });
    } else if (told.model && REASONS.has(told.type)) {
      const spans = this.spans.get(told.model) ?? [], last = spans[spans.length - 1];
      if (last && Math.abs(last.from - time(told.at)) < 1500) last.why ||= told.text;
    }
  }

  #waited(model, now) {
    const waits = this.#waitsOf(model.name), last = waits[waits.length - 1];
    const open = last && last.until === null;
    if (model.waiting && open) last.requests = Math.max(last.requests, model.waiting);
    else if (model.waiting) waits.push({ from: now, until: null, requests: model.waiting, longest: null });
    else if (open) {
      last.until = now;
      last.longest ??= (now - last.from) / 1000;
    }
  }

  #spansOf(name) {
    if (!this.spans.has(name)) this.spans.set(name, []);
    return this.spans.get(name);
  }

  #waitsOf(name) {
    if (!this.waits.has(name)) this.waits.set(name, []);
    return this.waits.get(name);
  }
}

function dated(span) {
  return { ...span, from: time(span.from), until: span.until === null ? null : time(span.until) };
}
