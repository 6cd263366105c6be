/** @module How often STS may be called by this process: a token bucket, first use before renewal. */
import { CrossroleError } from "../errors.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Who is waiting for the call: somebody with nothing in hand, or a renewal that has time. */
export type CallPriority = "first" | "renewal";

interface Waiter {
  readonly proceed: () => void;
  readonly giveUp: (error: CrossroleError) => void;
}

/**
 * Grants at most `burst` calls at once and `perSecond` in the long run. A first use never waits
 * behind a renewal: the one is somebody's start, the other has half a life left.
 */
export class CallBudget {
  readonly #bucket: TokenBucket;
  readonly #queues: Record<CallPriority, Waiter[]> = { first: [], renewal: [] };
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: { perSecond: number; burst: number; monotonicMs: () => number }) {
    this.#bucket = new TokenBucket(options, options.monotonicMs);
  }

  /** Resolves when a call may be made. @throws {@link CrossroleError} `ERR_CLOSED` after {@link close}. */
  take(priority: CallPriority): Promise<void> {
    if (this.#closed) return Promise.reject(closing());
    return new Promise((proceed, giveUp) => {
      this.#queues[priority].push({ proceed, giveUp });
      this.#grant();
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const queue of Object.values(this.#queues)) {
      for (const waiter of queue.splice(0)) waiter.giveUp(closing());
    }
  }

  #grant(): void {
    while (this.#bucket.untilNextMs === 0) {
      const waiter = this.#queues.first.shift() ?? this.#queues.renewal.shift();
      if (waiter === undefined) return;
      this.#bucket.take();
      waiter.proceed();
    }
    if (this.#queues.first.length + this.#queues.renewal.length === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#grant(), this.#bucket.untilNextMs).unref();
  }
}

function closing(): CrossroleError {
  return new CrossroleError("ERR_CLOSED", "crossrole is shutting down");
}
