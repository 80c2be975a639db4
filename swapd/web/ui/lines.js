// A log's lines out of pieces of bytes, in bounds: however long a line is, little of it is held.

import { plain } from "./format.js";

export const LONGEST = 4096; // characters of a line; the rest is cut off, with a mark

/** Cuts text into lines. `feed(piece)` gives those that it completes. */
export class Cutter {
  #rest = "";
  #cutting = false; // what comes is the rest of a line that was cut

  feed(piece) {
    const found = [];
    let start = 0;
    for (let end = piece.indexOf("\n"); end !== -1; end = piece.indexOf("\n", start)) {
      this.#add(piece, start, end);
      if (!this.#cutting) found.push(plain(this.#rest));
      else found.push(`${plain(this.#rest)} … (cut: the line is longer)`);
      this.#rest = "";
      this.#cutting = false;
      start = end + 1;
    }
    this.#add(piece, start, piece.length);
    return found;
  }

  #add(piece, start, end) {
    const room = LONGEST - this.#rest.length;
    if (end - start > room) this.#cutting = true;
    if (room > 0) this.#rest += piece.slice(start, Math.min(end, start + room));
  }
}

/** Where `words` stand in a text, whatever their case: [[from, to], …], bounded. */
export function found(text, words, most = 50) {
  const places = [], low = text.toLowerCase();
  if (!words || low.length !== text.length) return places; // some letters have no lower case of one character
  for (let at = low.indexOf(words); at !== -1 && places.length < most; at = low.indexOf(words, at + words.length)) {
    places.push([at, at + words.length]);
  }
  return places;
}

/** Runs of a text and whether each is one that was looked for. */
export function parts(text, words) {
  const pieces = [];
  let end = 0;
  for (const [from, to] of found(text, words)) {
    if (from > end) pieces.push([text.slice(end, from), false]);
    pieces.push([text.slice(from, to), true]);
    end = to;
  }
  if (end < text.length || !pieces.length) pieces.push([text.slice(end), false]);
  return pieces;
}
