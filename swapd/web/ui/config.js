// The config as the daemon reads it, its problems at their lines, and a button to read it again.

import { framed, h, put } from "./dom.js";
import { clean, several } from "./format.js";

const CHANGES = ["added", "removed", "relaunched", "retuned", "needs_restart"];

export function config(desk) {
  const { store } = desk;
  let found = null, seen = "";
  const said = h("div", { role: "status" });
  const body = h("div");
  const go = h("button", { type: "button", class: "main", on: { click: reload } }, "Reload the config");
  const generation = h("span", { class: "dim num" });
  const element = h("section", { "aria-labelledby": "t-config" },
    h("div", { class: "head" }, h("h1", { id: "t-config" }, "Config"), generation, h("div", { class: "row" }, go)), said, body);

  async function ask() {
    try {
      found = await desk.api.json("admin/config");
      draw();
    } catch (error) {
      body.replaceChildren(h("p", { class: "empty" }, `Cannot show the config: ${clean(error.message)}`));
    }
  }

  async function reload() {
    go.setAttribute("aria-busy", "true");
    try {
      said.replaceChildren(outcome(await desk.api.json("admin/reload", { method: "POST" })));
    } catch (error) {
      const count = error.body?.problems?.length;
      said.replaceChildren(h("p", { class: "notice bad" }, count
        ? `Not reloaded: ${several(count, "problem")}. What was in force before still is.`
        : `Cannot reload: ${clean(error.message)}`));
    } finally {
      go.removeAttribute("aria-busy");
      ask();
    }
  }

  const draw = framed(() => {
    if (!found) return;
    put(generation, `generation ${found.generation}`);
    const problems = (found.problems ?? []).map((each) => ({ ...placed(each), bad: true }));
    const all = [...problems, ...(found.warnings ?? []).map((each) => ({ ...placed(each), bad: false }))];
    const elsewhere = all.filter((each) => !found.files.some((file) => file.path === each.file));
    body.replaceChildren(
      all.length ? summary(all) : h("p", { class: "notice good" }, "No problems, no warnings."),
      ...elsewhere.filter((each) => each.file).map((each) => h("p", { class: "notice" }, `${clean(each.file, 300)}: ${clean(each.message)}`)),
      ...found.files.map((file) => fileOf(file, all.filter((each) => each.file === file.path))));
    if (!found.files.length) body.append(h("p", { class: "empty" }, "The daemon runs without a config file."));
  });

  store.on("status", () => {
    const now = `${store.status.generation} ${JSON.stringify(store.status.problems ?? [])}`;
    if (now === seen) return;
    seen = now;
    if (!element.hidden) ask();
  });
  return { element, shown: ask };
}

/** A warning may be a sentence that begins with its place, or say it apart. */
function placed(told) {
  if (typeof told !== "string") return { ...told, file: told.file ?? "", line: told.line ?? 0, message: told.message ?? "" };
  const parts = /^(.+?):(\d+):(\d+): (.*)$/s.exec(told);
  return parts ? { file: parts[1], line: Number(parts[2]), message: parts[4], key: "" } : { file: "", line: 0, message: told, key: "" };
}

function summary(all) {
  return h("ul", { class: "panel flush problems", "aria-label": "Problems and warnings" }, all.map((each) => {
    const place = each.line ? `${each.file.split("/").pop()}:${each.line}` : "";
    const jump = () => document.getElementById(idOf(each.file, each.line))?.scrollIntoView({ block: "center" });
    return h("li", {}, h("span", { class: `tag ${each.bad ? "bad" : "warn"}` }, each.bad ? "problem" : "warning"),
      place ? h("button", { type: "button", class: "link num", on: { click: jump } }, clean(place, 120)) : null,
      h("span", { class: "text" }, worded(each)));
  }));
}

/** Some messages are the rest of a sentence that the key begins. */
function worded(told) {
  return [told.key ? h("b", {}, `${clean(told.key, 200)} `) : null, clean(told.message)];
}

function idOf(file, line) {
  return `line ${file} ${line}`;
}

function fileOf(file, told) {
  const at = new Map();
  for (const each of told) at.set(each.line, [...(at.get(each.line) ?? []), each]);
  const lines = (file.text ?? "").replace(/\n$/, "").split("\n");
  const rows = lines.flatMap((text, index) => [codeLine(file, text, index + 1, at.get(index + 1)),
    ...(at.get(index + 1) ?? []).map((each) => h("p", { class: `at ${each.bad ? "bad" : "warn"}` }, worded(each)))]);
  const rest = told.filter((each) => each.line > lines.length);
  return h("section", { class: "panel flush file" }, h("h2", {}, h("bdi", {}, clean(file.path, 400))),
    file.error ? h("p", { class: "empty" }, `It ${clean(file.error)}`) : null,
    h("div", { class: "code", tabindex: "0", role: "region", "aria-label": clean(file.path, 400) }, rows,
      rest.map((each) => h("p", { class: `at ${each.bad ? "bad" : "warn"}` }, worded(each)))));
}

function codeLine(file, text, number, told) {
  const kind = !told ? "" : told.some((each) => each.bad) ? " bad" : " warn";
  return h("div", { class: `codeline${kind}`, id: told ? idOf(file.path, number) : null },
    h("span", { class: "no", "aria-hidden": "true" }, String(number)), h("code", {}, clean(text, 20_000) || "\u200b"));
}

function outcome(told) {
  const changes = CHANGES.filter((kind) => told[kind]?.length)
    .map((kind) => `${kind.replace("_", " ")}: ${told[kind].map((each) => clean(each, 80)).join(", ")}`);
  return h("p", { class: "notice good" }, `Reloaded, generation ${told.generation}. ${changes.length ? `${changes.join("; ")}.` : "Nothing has changed."}`);
}
