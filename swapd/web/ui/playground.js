// Tries a model: a chat, streamed, and embeddings of two texts. Asked as the client `operator`.

import { h, put } from "./dom.js";
import { brief, clean, count, span } from "./format.js";
import { eventsOf, failure } from "./streams.js";

const SHOWN = 8; // numbers of an embedding

export function playground(desk) {
  const { store } = desk;
  const pick = h("select", { id: "try-model" });
  const talk = chat(desk, pick), vectors = embeddings(desk, pick);
  const none = h("p", { class: "panel empty" }, "No models yet, so there is nobody to ask: swapd scan DIR --write finds some.");
  const both = h("div", { class: "two" }, talk, vectors);
  const choose = h("div", { class: "row" }, h("label", { for: "try-model" }, "Model"), pick);
  const element = h("section", { "aria-labelledby": "t-playground" },
    h("div", { class: "head" }, h("h1", { id: "t-playground" }, "Playground"), choose),
    none, both);

  function models(wanted) {
    if (document.activeElement === pick && !wanted) return;
    const chosen = wanted ?? pick.value;
    none.hidden = store.names.length > 0;
    choose.hidden = both.hidden = !none.hidden;
    const pools = (store.status?.pools ?? []).map((pool) => pool.name);
    pick.replaceChildren(...[...store.names, ...pools].map((name) => h("option", { value: name, selected: name === chosen }, brief(name, 60))));
  }

  store.on("models", (names) => { if (names === null && !element.hidden) models(); });
  return { element, shown: models };
}

function chat(desk, pick) {
  let messages = [], control = null;
  const said = h("div", { class: "talk", tabindex: "0", role: "log", "aria-label": "Conversation" });
  const empty = h("p", { class: "dim" }, "Say something. A cold model is loaded first; the numbers below tell how long that took.");
  const field = h("textarea", { rows: "3", "aria-label": "Message", placeholder: "Message (Enter sends, Shift+Enter is a new line)" });
  const most = h("input", { type: "number", min: "1", max: "100000", value: "512", inputmode: "numeric" });
  const go = h("button", { type: "submit", class: "main" }, "Send");
  const stop = h("button", { type: "button", hidden: true, on: { click: () => control?.abort() } }, "Stop");
  const clear = h("button", { type: "button", class: "quiet", on: { click: () => { messages = []; said.replaceChildren(empty); put(facts, ""); } } }, "Clear");
  const facts = h("p", { class: "num dim", role: "status" });
  said.append(empty);
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  const form = h("form", { class: "panel", on: { submit: (event) => { event.preventDefault(); send(); } } },
    h("h2", {}, "Chat"), said, field, h("div", { class: "row" }, go, stop, clear,
      h("label", { class: "end" }, "At most ", most, " tokens")), facts);

  async function send() {
    const text = field.value.trim();
    if (!text || control || !pick.value) return;
    field.value = "";
    control = new AbortController();
    go.disabled = true;
    stop.hidden = false;
    empty.remove();
    messages.push({ role: "user", content: text });
    said.append(bubble("you", text));
    const answer = bubble(pick.value, "");
    said.append(answer);
    const reply = await ask(desk, { model: pick.value, messages, most: Number(most.value) || 512, signal: control.signal }, (whole, told) => {
      put(answer.lastChild, whole);
      put(facts, told);
      said.scrollTop = said.scrollHeight;
    });
    if (reply.text) messages.push({ role: "assistant", content: reply.text });
    else messages.pop();
    if (reply.error) said.append(h("p", { class: "bad-text", role: "alert" }, reply.error));
    said.scrollTop = said.scrollHeight;
    control = null;
    go.disabled = false;
    stop.hidden = true;
    if (document.activeElement === document.body) field.focus();
  }
  return form;
}

function bubble(who, text) {
  return h("div", { class: who === "you" ? "said-by you" : "said-by" }, h("b", { class: "dim" }, h("bdi", {}, clean(who, 120))), h("p", {}, text));
}

/** One turn. `show(text, facts)` while it comes in. Never raises: {text, error}. */
async function ask(desk, { model, messages, most, signal }, show) {
  const begun = performance.now();
  let text = "", first = null, head = [], pieces = 0, usage = null, timings = null;
  const seconds = (since) => (performance.now() - since) / 1000;
  const facts = () => [...head, first === null ? `waiting ${span(seconds(begun))}` : `first token after ${span(first)}`,
    speed(pieces, usage, timings, seconds(begun) - (first ?? 0)), `${span(seconds(begun))} in all`].filter(Boolean).join(" · ");
  const watch = setInterval(() => show(text, facts()), 200);
  try {
    const body = { model, messages, max_tokens: most, stream: true, stream_options: { include_usage: true } };
    const answer = await desk.api.open("ui/try/v1/chat/completions", { method: "POST", body, signal, accept: "text/event-stream" });
    head = headFacts(answer.headers);
    for await (const { data } of eventsOf(answer)) {
      if (data === "[DONE]") break;
      const piece = JSON.parse(data), wrong = failure(piece);
      if (wrong) throw new Error(wrong);
      usage = piece.usage ?? usage;
      timings = piece.timings ?? timings;
      const delta = piece.choices?.[0]?.delta;
      const fresh = delta?.content || delta?.reasoning_content || "";
      if (!fresh) continue;
      first ??= seconds(begun);
      pieces += 1;
      text += clean(fresh, 100_000);
      show(text, facts());
    }
    return { text };
  } catch (error) {
    if (error.name === "AbortError") return { text, error: text ? "Stopped." : "Stopped before the first token." };
    return { text, error: `Cannot answer: ${clean(error.message, 2000)}` };
  } finally {
    clearInterval(watch);
    show(text, facts());
  }
}

function headFacts(headers) {
  const queued = headers.get("X-Swapd-Queued-Ms"), loaded = headers.get("X-Swapd-Load-Ms"), run = headers.get("X-Swapd-Run");
  return [run ? `run ${clean(run, 20)}` : "", queued === null ? "" : `queued ${span(queued / 1000)}`, Number(loaded) ? `load ${span(loaded / 1000)}` : ""].filter(Boolean);
}

function speed(pieces, usage, timings, seconds) {
  const rate = timings?.predicted_per_second ?? ((usage?.completion_tokens ?? pieces) / Math.max(seconds, 0.001));
  if (pieces < 2) return "";
  return `${usage ? "" : "≈ "}${count(rate, 1)} tokens/s${usage ? `, ${count(usage.prompt_tokens)} in, ${count(usage.completion_tokens)} out` : ""}`;
}

function embeddings(desk, pick) {
  const one = h("textarea", { id: "try-one", rows: "2" }, "The cat sits on the mat.");
  const other = h("textarea", { id: "try-other", rows: "2" }, "A kitten rests on a rug.");
  const said = h("div", { role: "status" });
  const go = h("button", { type: "submit", class: "main" }, "Embed");
  return h("form", { class: "panel", on: { submit: async (event) => {
    event.preventDefault();
    if (!pick.value) return;
    go.disabled = true;
    const begun = performance.now();
    try {
      const input = [one.value, other.value].filter((text) => text.trim());
      const found = await desk.api.json("ui/try/v1/embeddings", { method: "POST", body: { model: pick.value, input } });
      said.replaceChildren(...vectorFacts(found.data.map((each) => each.embedding), (performance.now() - begun) / 1000));
    } catch (error) {
      said.replaceChildren(h("p", { class: "bad-text" }, `Cannot embed: ${clean(error.message, 2000)}`));
    } finally {
      go.disabled = false;
    }
  } } }, h("h2", {}, "Embeddings"), h("label", { for: "try-one" }, "One text"), one, h("label", { for: "try-other" }, "Another (optional)"), other,
  h("div", { class: "row" }, go), said);
}

function vectorFacts(vectors, seconds) {
  const facts = [["Length", String(vectors[0].length)], ["Took", span(seconds)]];
  if (vectors.length > 1) facts.unshift(["Cosine", cosine(vectors[0], vectors[1]).toFixed(4)]);
  vectors.forEach((vector, at) => facts.push([`Text ${at + 1}`, `${vector.slice(0, SHOWN).map((value) => Number(value).toFixed(4)).join("  ")}${vector.length > SHOWN ? " …" : ""}`]));
  return [h("dl", { class: "facts num" }, facts.flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]))];
}

/** How alike two vectors are: 1 is the same direction. */
function cosine(one, other) {
  let dot = 0, first = 0, second = 0;
  for (let at = 0; at < Math.min(one.length, other.length); at += 1) {
    dot += one[at] * other[at];
    first += one[at] ** 2;
    second += other[at] ** 2;
  }
  return dot / (Math.sqrt(first * second) || 1);
}
