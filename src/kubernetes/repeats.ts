/** @module Says a thing once, and not each time that it is so. */

/** Most texts remembered: a text that varies must not fill the memory. */
const MAX_TEXTS = 64;

export class Repeats {
  readonly #everyMs: number;
  readonly #now: () => number;
  readonly #saidAtMs = new Map<string, number>();

  constructor(everyMs: number, now: () => number) {
    this.#everyMs = everyMs;
    this.#now = now;
  }

  /** Whether `text` was last said `everyMs` ago or longer; it counts as said now, then. */
  isDue(text: string): boolean {
    const nowMs = this.#now();
    const saidAtMs = this.#saidAtMs.get(text);
    if (saidAtMs !== undefined && Math.abs(nowMs - saidAtMs) < this.#everyMs) return false;
    if (this.#saidAtMs.size >= MAX_TEXTS) this.#saidAtMs.clear();
    this.#saidAtMs.set(text, nowMs);
    return true;
  }
}
