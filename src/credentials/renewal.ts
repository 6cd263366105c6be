/** @module Every decision by time, as pure functions of the credentials, the instant and a random number. */
import type { CrossroleErrorCode } from "../errors.ts";
import type { Instant, SigningCredentials } from "./types.ts";

/**
 * The least life an answer has while STS is reachable: 25 minutes. Below it botocore rewrites the
 * expiry to one of its own, and s3fs, s3cmd, Java v1 and .NET ask again at each request.
 */
export const MIN_REMAINING_MS = 25 * 60_000;

/** How long before that floor a renewal starts, so that a slow STS and a retry still end above it. */
const RENEWAL_MARGIN_MS = 2 * 60_000;

/** How much of the time to renewal may be taken off, to spread the calls of many daemons. */
const MAX_JITTER = 0.1;

/** How far the two clocks may part before an `Expiration` handed out earlier is not trusted. */
const CLOCK_STEP_MS = 30_000;

/** The shortest pause between two calls for the same session: 1 second. */
export const MIN_RETRY_MS = 1_000;

/** How often credentials that do not say when they expire are loaded again: 5 minutes. */
const RELOAD_MS = 5 * 60_000;

/** From when until when credentials are good, on both clocks. */
export interface Lease {
  readonly obtained: Instant;
  /** Milliseconds after `obtained` at which they expire; infinite for long-lived keys. */
  readonly lifeMs: number;
  /** Milliseconds after `obtained` at which they are to be renewed. */
  readonly renewAfterMs: number;
}

/**
 * The lease of credentials obtained at `now`: renewed at half their life minus up to 10 % jitter,
 * or earlier where half would leave less than 25 minutes.
 *
 * @param random uniform in [0, 1)
 */
export function leaseOf(credentials: SigningCredentials, now: Instant, random: number): Lease {
  if (credentials.expiration === undefined) {
    return { obtained: now, lifeMs: Infinity, renewAfterMs: RELOAD_MS };
  }
  // A wall clock set back during the call must not lengthen their life: it starts at their issue,
  // which is then ahead of `now`, and that makes their renewal due.
  const wallMs = Math.max(now.wallMs, credentials.issuedAt.getTime());
  const obtained = { wallMs, monotonicMs: now.monotonicMs };
  const lifeMs = credentials.expiration.getTime() - wallMs;
  const aboveFloorMs = lifeMs - MIN_REMAINING_MS - RENEWAL_MARGIN_MS;
  // A life too short for the floor (an instance profile near its end, say) is halved.
  const latestMs = aboveFloorMs > 0 ? Math.min(lifeMs / 2, aboveFloorMs) : lifeMs / 2;
  // A source that gives the same credentials until they end must not be asked without a pause.
  const renewAfterMs = Math.max(latestMs * (1 - MAX_JITTER * random), MIN_RETRY_MS);
  return { obtained, lifeMs, renewAfterMs };
}

/** Milliseconds of life left, by whichever clock says less; 0 or less when expired. */
export function remainingMs(lease: Lease, now: Instant): number {
  return lease.lifeMs - ageMs(lease, now);
}

/**
 * Whether to renew. Besides the time, a wall clock set back is a reason: the `Expiration` that
 * clients were given is then further away for them than it really is.
 */
export function isRenewalDue(lease: Lease, now: Instant): boolean {
  if (ageMs(lease, now) >= lease.renewAfterMs) return true;
  const wallMs = now.wallMs - lease.obtained.wallMs;
  const monotonicMs = now.monotonicMs - lease.obtained.monotonicMs;
  return monotonicMs - wallMs > CLOCK_STEP_MS;
}

/** Milliseconds until {@link isRenewalDue}, by the passing of time alone when it is not due yet. */
export function untilRenewalMs(lease: Lease, now: Instant): number {
  return isRenewalDue(lease, now) ? 0 : lease.renewAfterMs - ageMs(lease, now);
}

/**
 * The age by the clock that says more: a step forward or a sleep shows on the wall clock only, a
 * step back makes the wall clock lie, and an expired answer is worse than an early renewal.
 */
export function ageMs(lease: Lease, now: Instant): number {
  return Math.max(
    now.wallMs - lease.obtained.wallMs,
    now.monotonicMs - lease.obtained.monotonicMs,
    0,
  );
}

/** Why an attempt failed, as far as the time of the next one is concerned. */
export type FailureKind = "denied" | "throttled" | "transient";

/** Which codes will not heal by asking again soon, and which ask for patience; the rest is transient. */
export function failureKind(code: CrossroleErrorCode | undefined): FailureKind {
  // What the API server denies it may allow any moment: it has just been started, and reads its rules.
  if (code === "ERR_ROLE_DENIED") return "denied";
  return code === "ERR_STS_THROTTLED" ? "throttled" : "transient";
}

/** The longest pause between two attempts: 60 seconds, and 5 minutes after a denial. */
const MAX_RETRY_MS = {
  denied: 300_000,
  throttled: 60_000,
  transient: 60_000,
} as const satisfies Record<FailureKind, number>;

/**
 * Milliseconds to wait before the next attempt: exponential back-off with full jitter, from 1 s.
 *
 * @param failures how many attempts in a row failed for this reason, from 1
 * @param random uniform in [0, 1)
 */
export function retryDelayMs(kind: FailureKind, failures: number, random: number): number {
  const ceilingMs = Math.min(MAX_RETRY_MS[kind], MIN_RETRY_MS * 2 ** failures);
  return MIN_RETRY_MS + random * (ceilingMs - MIN_RETRY_MS);
}

/** Whether `delayMs` have passed since `since`, by either clock: a laptop's sleep counts as waiting. */
export function hasPassed(since: Instant, delayMs: number, now: Instant): boolean {
  return now.wallMs - since.wallMs >= delayMs || now.monotonicMs - since.monotonicMs >= delayMs;
}
