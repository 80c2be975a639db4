// Asks the daemon. What goes wrong is an error in words; a session that has ended is told to whom it concerns.

/** Where swapd is, as the browser sees it: `/`, or what a proxy has put before it. Paths are said from there. */
export const ROOT = new URL("..", import.meta.url);

/** What the daemon, or the way to it, refused: `status` 0 if nobody answered. */
export class Refused extends Error {
  constructor(status, message, code = "", body = null) {
    super(message);
    Object.assign(this, { status, code, body });
  }
}

/** One for the page. `locked()` is called where the session has ended; `renewed()` says whether it is another now. */
export class Api {
  token = null;
  locked = () => {};
  renewed = async () => false;

  /** The answer as it comes in. Raises Refused. `AbortError` passes. */
  async open(path, options = {}) {
    const answer = await this.#asked(path, options);
    if (answer.ok) return answer;
    const stale = answer.status === 403 && this.token && (options.method ?? "GET") !== "GET";
    if (stale && await this.renewed()) return this.open(path, options); // another tab has logged in since
    throw await this.#refused(answer, path);
  }

  async #asked(path, { method = "GET", body, signal, accept }) {
    const headers = {};
    if (method !== "GET" && this.token) headers["X-Swapd-Token"] = this.token;
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (accept) headers.Accept = accept;
    try {
      const sent = body === undefined ? undefined : JSON.stringify(body);
      return await fetch(new URL(path, ROOT), { method, headers, body: sent, signal, credentials: "same-origin", cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(0, "the daemon does not answer");
    }
  }

  /** The answer's JSON. */
  async json(path, options) {
    const answer = await this.open(path, options);
    try {
      return await answer.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Refused(answer.status, "the answer was cut short");
    }
  }

  async #refused(answer, path) {
    let body = null;
    try {
      body = await answer.json();
    } catch { /* Not one of the daemon's own. */ }
    if (answer.status === 401 && !path.startsWith("ui/session")) this.locked();
    const told = body?.error;
    const words = (typeof told === "string" ? told : told?.message) ?? `the daemon answered ${answer.status}`;
    return new Refused(answer.status, words, told?.code ?? "", body);
  }
}
