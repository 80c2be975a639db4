// Numbers, times and foreign text, as people read them.

const LONGEST = 4096; // characters shown of one text of the server's
// Controls, and the characters that turn the direction of what follows: both could make a text lie.
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;
// ECMA-48: CSI, then OSC and the other strings up to their end, then what is left of two characters.
const ESCAPES = /(?:\u001b\[|\u009b)[0-?]*[ -/]*[@-~]?|\u001b[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;
const MEMORY = /^(?:ram|Metal|(?:CUDA|Vulkan|ROCm|SYCL|HIP|MUSA|CANN|OpenCL|RPC|MTL|Metal)\d+)$/; // as the daemon tells them apart

/** A text of the server's: no controls, bounded. */
export function clean(text, most = LONGEST) {
  const whole = String(text ?? "");
  const short = whole.length > most ? `${whole.slice(0, most)} … (cut, ${whole.length} characters)` : whole;
  return short.replace(HIDDEN, (c) => (c < " " ? String.fromCharCode(0x2400 + c.charCodeAt(0)) : "\ufffd"));
}

/** A name in little room: of a long one both ends, for names of models differ at the end. */
export function brief(name, most = 44) {
  const whole = String(name ?? ""), end = Math.floor(most / 2) - 1;
  return whole.length > most ? `${clean(whole.slice(0, most - end - 1))}…${clean(whole.slice(-end))}` : clean(whole);
}

/** A line as a terminal would leave it: no colours, and only the last of what was written over itself. */
export function plain(line) {
  const bare = line.includes("\u001b") || line.includes("\u009b") ? line.replace(ESCAPES, "") : line;
  const parts = bare.split("\r").filter((part) => part !== "");
  return clean(parts.length ? parts[parts.length - 1] : "", Infinity);
}

/** `512 MiB`, `21.4 GiB`. */
export function bytes(amount) {
  if (amount === null || amount === undefined) return "–";
  const gib = amount / 2 ** 30;
  return gib >= 1 ? `${gib.toFixed(gib < 100 ? 1 : 0)} GiB` : `${Math.round(amount / 2 ** 20)} MiB`;
}

/** An amount of a resource: memory in bytes, anything else as it is. */
export function amount(resource, value) {
  return isMemory(resource) ? bytes(value) : `${value}`;
}

/** Whether a resource of the budget is counted in bytes. */
export function isMemory(resource) {
  return MEMORY.test(resource);
}

/** Names of resources, devices before the machine's own memory. */
export function ordered(names) {
  return [...names].sort((one, other) => (one === "ram") - (other === "ram"));
}

/** Seconds: `340 ms`, `3.2 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function span(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 0.9995) return seconds ? `${Math.round(seconds * 1000)} ms` : "0 s";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 100) return `${whole} s`;
  if (whole < 3600) return two(whole, 60, "min", 1, "s");
  if (whole < 86400) return two(whole, 3600, "h", 60, "min");
  return two(whole, 86400, "d", 3600, "h");
}

/** How long something has lasted, while one looks on: in no finer steps than matter. */
export function age(seconds) {
  if (!(seconds >= 100)) return `${Math.max(0, Math.floor(seconds)) || 0} s`;
  return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : span(seconds);
}

function two(whole, big, bigWord, small, smallWord) {
  const rest = Math.floor((whole % big) / small);
  return `${Math.floor(whole / big)} ${bigWord}${rest ? ` ${rest} ${smallWord}` : ""}`;
}

/** Milliseconds of a date of the server's; NaN if it is none. */
export function time(date) {
  return date ? Date.parse(date) : NaN;
}

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The time of day, with the day where that is not today's. */
export function clock(milliseconds) {
  if (Number.isNaN(milliseconds)) return "–";
  const at = new Date(milliseconds);
  return (at.toDateString() === new Date().toDateString() ? CLOCK : DAY).format(at);
}

/** `1 request`, `3 requests`. */
export function several(count, thing) {
  return `${count} ${thing}${count === 1 ? "" : "s"}`;
}

/** `12.3`, `1 204`: a number with thin gaps. */
export function count(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(digits).replace(/\B(?=(\d{3})+(?!\d))/g, "\u2009");
}

/** Where a model's own doors are. */
export function door(what, name, then = "") {
  return `admin/${what}/${encodeURIComponent(name)}${then}`;
}
