/** @module Credentials before anybody asks: a few pods at a time, so that whoever does ask goes first. */

/** Pods whose credentials are obtained at once: STS's own budget is for those that ask. */
const AT_ONCE = 4;

/** How long one may keep others waiting. A call that hangs goes on, without its place. */
const HOLD_MS = 2_000;

export class Prefetch<T> {
  readonly #obtain: (one: T) => Promise<unknown>;
  readonly #waiting = new Set<T>();
  #running = 0;
  #closed = false;

  /** @param obtain whose failures are somebody else's to report */
  constructor(obtain: (one: T) => Promise<unknown>) {
    this.#obtain = obtain;
  }

  /** Obtains what `one` will ask for, once its turn has come. */
  add(one: T): void {
    if (this.#closed) return;
    this.#waiting.add(one);
    this.#next();
  }

  /** What is in flight goes on; nothing more is started. */
  close(): void {
    this.#closed = true;
    this.#waiting.clear();
  }

  #next(): void {
    const [one] = this.#waiting;
    if (one === undefined || this.#running >= AT_ONCE) return;
    this.#waiting.delete(one);
    this.#running++;
    const leave = once(() => {
      this.#running--;
      this.#next();
    });
    const timer = setTimeout(leave, HOLD_MS).unref();
    this.#obtain(one)
      .catch(() => {
        // Reported where it is made; whoever asks is told so, and it is tried again.
      })
      .finally(() => {
        clearTimeout(timer);
        leave();
      });
    this.#next();
  }
}

function once(run: () => void): () => void {
  let hasRun = false;
  return () => {
    if (hasRun) return;
    hasRun = true;
    run();
  };
}
