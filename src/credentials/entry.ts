/** @module What is known of one session: what is held, how the last attempt failed, and when to look again. */
import { CrossroleError } from "../errors.ts";
import {
  ageMs,
  failureKind,
  hasPassed,
  leaseOf,
  remainingMs,
  retryDelayMs,
  untilRenewalMs,
} from "./renewal.ts";
import type { FailureKind, Lease } from "./renewal.ts";
import type { CredentialSource, Instant, SigningCredentials, SourceState } from "./types.ts";

/** How long a base is kept that nobody asks for and that does not say when it expires: 1 hour. */
const BASE_LIFETIME_MS = 3_600_000;

interface Held {
  readonly credentials: SigningCredentials;
  readonly lease: Lease;
}

interface Failure {
  readonly error: Error;
  readonly at: Instant;
  readonly delayMs: number;
}

export class Entry {
  readonly source: CredentialSource;
  /** When somebody last wanted it: a client, or a session behind it. */
  askedAt: Instant;
  held: Held | undefined;
  failure: Failure | undefined;
  flight: Promise<SigningCredentials> | undefined;
  /** STS refused what is held as expired; it must not sign again. */
  spent = false;
  readonly #failures: Record<FailureKind, number> = { denied: 0, throttled: 0, transient: 0 };
  /** Gives up the call in flight, when there is one. */
  onClose: (() => void) | undefined;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(source: CredentialSource, now: Instant) {
    this.source = source;
    this.askedAt = now;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** How long it may go unasked for: one lifetime of what it yields. */
  get lifetimeMs(): number {
    if (this.held !== undefined && Number.isFinite(this.held.lease.lifeMs)) {
      return this.held.lease.lifeMs;
    }
    return this.source.kind === "role" ? this.source.durationSeconds * 1000 : BASE_LIFETIME_MS;
  }

  /** Replaces, in one assignment, whatever was held before. */
  hold(credentials: SigningCredentials, now: Instant, random: number): void {
    this.held = { credentials, lease: leaseOf(credentials, now, random) };
    this.failure = undefined;
    this.spent = false;
    this.#failures.denied = this.#failures.throttled = this.#failures.transient = 0;
  }

  /** Notes a failed attempt and returns the milliseconds until the next; keeps what is held. */
  fail(error: Error, now: Instant, random: number): number {
    const kind = failureKind(error instanceof CrossroleError ? error.code : undefined);
    this.#failures[kind]++;
    const delayMs = retryDelayMs(kind, this.#failures[kind], random);
    this.rest(error, now, delayMs);
    return delayMs;
  }

  /** Notes a failure that is not counted, and when to try again. */
  rest(error: Error, now: Instant, delayMs: number): void {
    this.failure = { error, at: now, delayMs };
  }

  /** Whether anybody has asked since the last failure, or there was none. */
  get isWantedSinceFailure(): boolean {
    return this.failure === undefined || this.askedAt.monotonicMs > this.failure.at.monotonicMs;
  }

  spend(): void {
    this.spent = true;
  }

  /** Whether the pause after the last failure still lasts. */
  isResting(now: Instant): boolean {
    return this.failure !== undefined && !hasPassed(this.failure.at, this.failure.delayMs, now);
  }

  /** Milliseconds until the pause after the last failure ends. */
  restMs(now: Instant): number {
    if (this.failure === undefined || !this.isResting(now)) return 0;
    return this.failure.delayMs - (now.monotonicMs - this.failure.at.monotonicMs);
  }

  state(now: Instant): SourceState {
    const { held, failure } = this;
    const leftMs = held === undefined ? 0 : remainingMs(held.lease, now);
    return {
      held:
        held === undefined || leftMs <= 0
          ? undefined
          : {
              credentials: held.credentials,
              remainingMs: leftMs,
              lifeMs: held.lease.lifeMs,
              ageMs: ageMs(held.lease, now),
              untilRenewalMs: untilRenewalMs(held.lease, now),
            },
      failure:
        failure === undefined
          ? undefined
          : {
              error: failure.error,
              agoMs: now.monotonicMs - failure.at.monotonicMs,
              retryInMs: this.restMs(now),
            },
      isAsking: this.flight !== undefined,
    };
  }

  wakeIn(delayMs: number, wake: () => void): void {
    clearTimeout(this.#timer);
    // The listeners keep the process alive; a renewal to come is no reason to.
    this.#timer = setTimeout(wake, delayMs).unref();
  }

  /** Cancels the timer and the call: an evicted session costs nothing more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.onClose?.();
  }
}
