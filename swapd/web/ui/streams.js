// Server-sent events out of the body of an answer, as the HTML standard (9.2) has them. The browser's own reader of
// them knows no POST, cannot tell a refusal from a broken line, and keeps a comment, which is a sign of life, to itself.

const LONGEST = 1 << 22; // characters of one event

/** Each event as {type, data}; `heard()` is told of all that comes. Raises what the connection raises. */
export async function* eventsOf(answer, heard = () => {}) {
  const reader = answer.body.getReader(), text = new TextDecoder();
  let rest = "", type = "message", data = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const lines = (rest + text.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    if (rest.length > LONGEST) throw new Error("an event of the answer is too long");
    for (const line of lines) {
      if (line === "") {
        if (data.length) yield { type, data: data.join("\n") };
        type = "message";
        data = [];
      } else if (line.startsWith("event:")) {
        type = line.slice(6).trim();
      } else if (line.startsWith("data:")) {
        data.push(line.slice(line[5] === " " ? 6 : 5));
      }
    }
  }
}

/** Words of an error that came within a stream. */
export function failure(piece) {
  if (!piece?.error) return null;
  return typeof piece.error === "string" ? piece.error : piece.error.message ?? "the answer broke off";
}
