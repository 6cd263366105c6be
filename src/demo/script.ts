/** @module What the demo does by itself, and when: STS goes away and comes back, and the end. */
import { READER } from "./events.ts";
import { promisesBroken } from "./summary.ts";
import type { Tally } from "./tally.ts";

/** The demo ends after 40 seconds, or later when something has not been seen yet: at 45 at the latest. */
const SHOW_MS = 40_000;
const DEADLINE_MS = 45_000;

/** A session is renewed after 45 to 50 % of its life: STS goes away shortly before. */
const LEAVES_AT = 0.4;

/** STS comes back when the daemon has missed it twice, */
const FAILURES_WANTED = 2;
/** or, whatever happens, with this much left of the session: the outage must not outlive it. */
const RETURNS_BEFORE_END_MS = 6_000;

/** What is to happen to STS now: one outage, once a renewal has been seen. */
export function outageStep(tally: Tally, nowMs: number): "stsDown" | "stsBack" | undefined {
  const held = tally.held.get(READER.name);
  if (held === undefined) return undefined;
  if (tally.downSinceMs !== undefined) {
    const isFelt = tally.failedRenewals >= FAILURES_WANTED;
    return isFelt || held.expirationMs - nowMs < RETURNS_BEFORE_END_MS ? "stsBack" : undefined;
  }
  if (tally.outages > 0 || tally.renewals === 0) return undefined;
  const lifeMs = held.expirationMs - held.obtainedMs;
  return nowMs - held.obtainedMs >= lifeMs * LEAVES_AT ? "stsDown" : undefined;
}

/** Whether there is nothing more to show, or no more time. */
export function isOver(tally: Tally, nowMs: number): boolean {
  const elapsedMs = nowMs - tally.startedMs;
  if (elapsedMs >= DEADLINE_MS) return true;
  return elapsedMs >= SHOW_MS && promisesBroken(tally).length === 0;
}
