// What is unfolded below a model: why it is up or not, its numbers, who waits, how it failed last.

import { h, put } from "./dom.js";
import { age, amount, clean, clock, count, door, several, span, time } from "./format.js";

const AGAIN = 600; // milliseconds between two questions, at least

/** Asks again whenever the model has changed. */
export class Detail {
  #timer = 0;
  #asked = 0;

  constructor(desk, name) {
    this.desk = desk;
    this.name = name;
    this.why = h("p", { class: "verdict" }, "Asking why.");
    this.facts = h("dl", { class: "facts" });
    this.queue = h("div");
    this.failure = h("div");
    const at = encodeURIComponent(name);
    this.links = h("p", { class: "row" }, h("a", { href: `#logs/${at}` }, "Log"), h("a", { href: `#timeline/${at}` }, "Timeline"),
      h("a", { href: `#requests/${at}` }, "Requests"), h("a", { href: `#playground/${at}` }, "Try it"));
    this.element = h("div", { class: "detail" }, this.why, this.facts, this.queue, this.failure, this.links);
    this.draw();
  }

  close() {
    clearTimeout(this.#timer);
    this.#timer = -1;
  }

  draw() {
    const model = this.desk.store.models.get(this.name);
    if (!model || this.#timer === -1) return;
    this.facts.replaceChildren(...facts(model).flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
    this.#failed(model.last_failure);
    this.tick();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), Math.max(0, this.#asked + AGAIN - performance.now()));
  }

  tick() {
    const model = this.desk.store.models.get(this.name);
    const now = this.desk.store.now();
    this.queue.replaceChildren(...(model?.queue?.length ? [queueOf(model, now)] : []));
  }

  async #ask() {
    this.#asked = performance.now();
    try {
      const found = await this.desk.api.json(door("explain", this.name));
      const wanted = found.wanted ? ` ${clean(found.wanted)}.` : "";
      put(this.why, `${clean(this.name, 120)} ${clean(found.text)}.${wanted}`);
    } catch (error) {
      put(this.why, `Cannot explain it: ${clean(error.message)}`);
    }
  }

  #failed(failure) {
    if (!failure) {
      this.failure.replaceChildren();
      return;
    }
    const key = JSON.stringify(failure);
    if (this.failure.dataset.key === key) return; // an unfolded log stays unfolded
    this.failure.dataset.key = key;
    const lines = (failure.log ?? []).map((line) => clean(line, 2000)).join("\n");
    this.failure.replaceChildren(
      h("p", { class: "bad-text" }, `Last failure, ${clock(time(failure.at))}: ${clean(failure.reason)}`),
      failure.hint ? h("p", {}, clean(failure.hint)) : "",
      lines ? h("details", {}, h("summary", {}, "Its last lines"), h("pre", { class: "tail", tabindex: "0" }, lines)) : "");
  }
}

function facts(model) {
  const resources = [...new Set([...Object.keys(model.needs ?? {}), ...Object.keys(model.measured ?? {})])];
  const source = [model.need_source, model.need_detail].filter(Boolean).map((word) => clean(word, 300)).join(": ");
  const found = [
    ["Needs", resources.map((name) => `${clean(name, 40)} ${amount(name, model.needs?.[name] ?? 0)}`).join(", ") || "not known yet"],
    ["Known from", source],
    ["Measured", Object.entries(model.measured ?? {}).map(([name, value]) => `${clean(name, 40)} ${amount(name, value)}`).join(", ")],
    ["Missing", typeof model.short === "string" ? clean(model.short, 300) : ""],
    ["Never fits", clean(model.never_fits ?? "", 400)],
    ["Engine", [model.engine, model.run ? `run ${model.run}` : "", model.pid ? `pid ${model.pid}` : ""].filter(Boolean).map((w) => clean(w, 60)).join(", ")],
    ["Endpoint", clean(model.url ?? model.endpoint ?? "", 200)],
    ["Last load", model.load_seconds ? span(model.load_seconds) : ""],
    ["Priority", model.priority ? String(model.priority) : ""],
    ["Aliases", clean((model.aliases ?? []).join(", "), 1000)],
    ["Served", served(model)],
    ["Last swap", model.last_swap ? `${clock(time(model.last_swap.at))}: ${clean(model.last_swap.text, 400)}` : ""],
  ];
  return found.filter(([, value]) => value);
}

function served(model) {
  if (!model.requests) return "";
  const tokens = model.tokens ? `, ${count(model.tokens.prompt)} tokens in, ${count(model.tokens.completion)} out` : "";
  return several(model.requests, "request") + tokens;
}

function queueOf(model, now) {
  const rows = model.queue.map((waiter) => {
    const eta = (time(waiter.expected) - now) / 1000;
    return h("tr", {}, h("td", { class: "num" }, String(waiter.place)), h("td", {}, h("bdi", {}, clean(waiter.client || "–", 60))),
      h("td", { class: "num" }, age((now - time(waiter.since)) / 1000)),
      h("td", { class: "num" }, Number.isNaN(eta) ? "not known" : eta > 0 ? `in ${age(eta)}` : "any moment"));
  });
  return h("table", { class: "small", "aria-label": "Who waits" },
    h("thead", {}, h("tr", {}, ["Place", "Client", "Waits", "Served"].map((title) => h("th", { scope: "col" }, title)))), h("tbody", {}, rows));
}
