import { afterEach, beforeEach, expect, inject, it, vi } from "vitest";
import { MIN_REMAINING_MS } from "../../src/credentials/renewal.ts";
import { simulateScale } from "./scale.ts";
import { stopClocks } from "./support.ts";

/** 1,000 in `npm run test:properties`, with a budget that is as tight for them as this one for fewer. */
const ROLES = inject("scaleRoles") ?? 100;
const CALLS_PER_SECOND = ROLES / 100;
const HOURS = 12;

beforeEach(stopClocks);
afterEach(() => {
  vi.useRealTimers();
});

it(`${ROLES} roles under a budget of ${CALLS_PER_SECOND} calls a second never have less than 25 minutes in ${HOURS} hours`, async () => {
  const { leastLifeMs, waited, calls } = await simulateScale({
    roles: ROLES,
    callsPerSecond: CALLS_PER_SECOND,
    hours: HOURS,
    advance: async (ms) => {
      await vi.advanceTimersByTimeAsync(ms);
    },
  });

  expect(waited).toBe(0);
  expect(leastLifeMs).toBeGreaterThanOrEqual(MIN_REMAINING_MS);
  // Half an hour a session, and a tenth earlier at the most.
  const periods = (HOURS * 60) / 27 + 1;
  expect(calls).toBeLessThanOrEqual(ROLES * periods);
});
