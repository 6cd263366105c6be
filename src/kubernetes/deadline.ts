/** @module A time-out that can be set again, and the signals of those who may give up earlier, as one signal. */
import { CrossroleError } from "../errors.ts";

/** Disposing of it ends its timer and lets go of the signals that it listens to. */
export class Deadline implements Disposable {
  readonly #abort = new AbortController();
  readonly #signals: readonly AbortSignal[];
  #timer: NodeJS.Timeout | undefined;

  constructor(signals: readonly (AbortSignal | undefined)[]) {
    this.#signals = signals.filter((signal) => signal !== undefined);
    for (const signal of this.#signals) {
      if (signal.aborted) this.#giveUp(signal);
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  /** Aborted with a {@link CrossroleError}: `ERR_CLOSED`, or what the time-out says. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Starts the time-out, or starts it again. */
  set(ms: number, reason: () => CrossroleError): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#abort.abort(reason()), ms);
  }

  clear(): void {
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const signal of this.#signals) signal.removeEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = ({ target }: Event) => {
    if (target instanceof AbortSignal) this.#giveUp(target);
  };

  #giveUp({ reason }: AbortSignal): void {
    const message = "the request to the API server was given up";
    this.#abort.abort(
      reason instanceof CrossroleError ? reason : new CrossroleError("ERR_CLOSED", message),
    );
  }
}
