/** @module How often something may be done: so much at once, and so much a second in the long run. */

export interface Rate {
  readonly burst: number;
  readonly perSecond: number;
}

export class TokenBucket {
  readonly #rate: Rate;
  readonly #now: () => number;
  #tokens: number;
  #filledMs: number;

  /** @param now a clock in milliseconds; one that is set back fills nothing */
  constructor(rate: Rate, now: () => number) {
    this.#rate = rate;
    this.#now = now;
    this.#tokens = rate.burst;
    this.#filledMs = now();
  }

  /** What is there now; not whole. */
  get tokens(): number {
    const nowMs = this.#now();
    const earned = (Math.max(0, nowMs - this.#filledMs) / 1_000) * this.#rate.perSecond;
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + earned);
    this.#filledMs = nowMs;
    return this.#tokens;
  }

  /** Whether nothing was taken lately. */
  get isFull(): boolean {
    return this.tokens >= this.#rate.burst;
  }

  /** Milliseconds until there is a whole one. */
  get untilNextMs(): number {
    return Math.ceil((Math.max(0, 1 - this.tokens) / this.#rate.perSecond) * 1_000);
  }

  take(): void {
    this.#tokens = this.tokens - 1;
  }
}
