/** @module How far the wall clock is from STS's, as far as an answer proves it. */

/**
 * STS dates a session `DurationSeconds` after its own now. An answer whose `Date` and `Expiration`
 * do not fit together by more than this is no witness of the time.
 */
const CREDIBLE_MS = 120_000;

/** The header counts whole seconds. */
const DATE_STEP_MS = 1_000;

/** When a request was sent and its answer received, by the wall clock, in milliseconds. */
export interface Exchange {
  readonly sentMs: number;
  readonly receivedMs: number;
  /** The answer's `Date` header. */
  readonly date: string | undefined;
}

/**
 * Milliseconds that the wall clock is behind STS's (negative: ahead), or undefined without a usable
 * `Date`. The answer was under way for a while: within that uncertainty the skew is 0, or still the
 * one that is known, give or take a second; beyond it the least that explains the date.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-date
 */
export function skewOf(
  { sentMs, receivedMs, date }: Exchange,
  knownMs: number,
): number | undefined {
  const dateMs = Date.parse(date ?? "");
  if (Number.isNaN(dateMs)) return undefined;
  const leastMs = dateMs - receivedMs;
  const mostMs = dateMs + DATE_STEP_MS - sentMs;
  if (leastMs <= 0 && mostMs >= 0) return 0;
  if (leastMs - DATE_STEP_MS <= knownMs && mostMs + DATE_STEP_MS >= knownMs) return knownMs;
  return leastMs > 0 ? leastMs : mostMs;
}

/**
 * The skew that an answer with credentials proves: its `Date`, when the expiration confirms it.
 * A `Date` that is wrong by itself (a proxy's, a fault's) moves nothing.
 */
export function credibleSkewOf(
  exchange: Exchange,
  knownMs: number,
  expiration: Date,
  durationSeconds: number,
): number | undefined {
  const skewMs = skewOf(exchange, knownMs);
  if (skewMs === undefined || skewMs === 0) return skewMs;
  const issuedMs = exchange.receivedMs + skewMs;
  const lifeMs = expiration.getTime() - issuedMs;
  return Math.abs(lifeMs - durationSeconds * 1000) <= CREDIBLE_MS ? skewMs : undefined;
}
