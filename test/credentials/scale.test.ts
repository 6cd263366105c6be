import { afterEach, beforeEach, expect, inject, it, vi } from "vitest";
import { MIN_REMAINING_MS } from "../../src/credentials/renewal.ts";
import type { TemporaryCredentials } from "../../src/credentials/types.ts";
import { FakeSts, HOUR, MINUTE, roleSession, startCache, stopClocks } from "./support.ts";

/** 1,000 in `npm run test:properties`, with a budget that is as tight for them as this one for fewer. */
const ROLES = inject("scaleRoles") ?? 100;
const CALLS_PER_SECOND = ROLES / 100;
const HOURS = 12;
/** How often every role is asked for. */
const STEP_MS = 5 * MINUTE;

beforeEach(stopClocks);
afterEach(() => {
  vi.useRealTimers();
});

it(`${ROLES} roles under a budget of ${CALLS_PER_SECOND} calls a second never have less than 25 minutes in ${HOURS} hours`, async () => {
  const sts = new FakeSts();
  const { cache } = startCache({
    assumeRole: sts.assumeRole,
    random: Math.random,
    callsPerSecond: CALLS_PER_SECOND,
    burst: 2 * CALLS_PER_SECOND,
  });
  const sessions = Array.from({ length: ROLES }, (_, index) =>
    roleSession({ roleArn: `arn:aws:iam::222222222222:role/role-${index}` }),
  );
  for (const session of sessions) void cache.get(session, { holdMs: Infinity });
  await vi.advanceTimersByTimeAsync(2 * MINUTE);
  let leastMs = Infinity;
  let waited = 0;
  for (let passedMs = 0; passedMs < HOURS * HOUR; passedMs += STEP_MS) {
    await vi.advanceTimersByTimeAsync(STEP_MS);
    for (const session of sessions) {
      const held = cache.get(session, { holdMs: 0 });
      if (held instanceof Promise) waited++;
      else leastMs = Math.min(leastMs, lifeOf(held));
    }
  }
  cache.close();

  expect(waited).toBe(0);
  expect(leastMs).toBeGreaterThanOrEqual(MIN_REMAINING_MS);
  // Half an hour a session, and a tenth earlier at the most.
  const periods = (HOURS * 60) / 27 + 1;
  expect(sts.calls.length).toBeLessThanOrEqual(ROLES * periods);
});

function lifeOf({ expiration }: TemporaryCredentials): number {
  return expiration.getTime() - Date.now();
}
