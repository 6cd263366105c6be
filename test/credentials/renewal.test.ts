import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  MIN_REMAINING_MS,
  failureKind,
  hasPassed,
  isRenewalDue,
  leaseOf,
  remainingMs,
  retryDelayMs,
  untilRenewalMs,
} from "../../src/credentials/renewal.ts";
import type { FailureKind } from "../../src/credentials/renewal.ts";
import { SigningCredentials } from "../../src/credentials/types.ts";
import type { Instant } from "../../src/credentials/types.ts";
import { HOUR, MINUTE, SECOND } from "./support.ts";

const OBTAINED: Instant = { wallMs: Date.parse("2026-11-02T12:00:00Z"), monotonicMs: 5_000 };
/** The largest number that `Math.random` can give. */
const ALMOST_ONE = 1 - Number.EPSILON / 2;

/** {@link OBTAINED}, when each clock has moved on by so much. */
function later(wallMs: number, monotonicMs = wallMs): Instant {
  return {
    wallMs: OBTAINED.wallMs + wallMs,
    monotonicMs: OBTAINED.monotonicMs + monotonicMs,
  };
}

function lease(lifeMs: number | undefined, random = 0) {
  const credentials = new SigningCredentials({
    accessKeyId: "ASIATARGETEXAMPLE",
    secretAccessKey: "secret",
    issuedAt: new Date(OBTAINED.wallMs),
    expiration: lifeMs === undefined ? undefined : new Date(OBTAINED.wallMs + lifeMs),
  });
  return leaseOf(credentials, OBTAINED, random);
}

describe("promise 1: never less than 25 minutes of life", () => {
  it.each([
    { life: 12 * HOUR, renewed: 6 * HOUR },
    { life: HOUR, renewed: 30 * MINUTE },
    { life: 40 * MINUTE, renewed: 13 * MINUTE },
    { life: 30 * MINUTE, renewed: 3 * MINUTE },
  ])("renews a life of $life ms after $renewed ms at the latest", ({ life, renewed }) => {
    expect(lease(life, 0).renewAfterMs).toBe(renewed);
  });

  it("takes up to 10 % off the time to the renewal", () => {
    expect(lease(HOUR, ALMOST_ONE).renewAfterMs).toBeCloseTo(27 * MINUTE, 6);
    expect(lease(HOUR, 0.5).renewAfterMs).toBe(28.5 * MINUTE);
  });

  it("is due at the renewal's time and not a millisecond before", () => {
    const hour = lease(HOUR);
    expect(isRenewalDue(hour, later(30 * MINUTE - 1))).toBe(false);
    expect(isRenewalDue(hour, later(30 * MINUTE))).toBe(true);
    expect(untilRenewalMs(hour, later(29 * MINUTE))).toBe(MINUTE);
    expect(untilRenewalMs(hour, later(31 * MINUTE))).toBe(0);
  });

  it("renews at half the life or before, and above the floor, whatever the life and the jitter", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 30 * MINUTE, max: 12 * HOUR }),
        fc.double({ min: 0, max: ALMOST_ONE, noNaN: true }),
        (lifeMs, random) => {
          const { renewAfterMs } = lease(lifeMs, random);
          expect(renewAfterMs).toBeLessThanOrEqual(lifeMs / 2);
          expect(lifeMs - renewAfterMs).toBeGreaterThan(MIN_REMAINING_MS);
          expect(renewAfterMs).toBeGreaterThan(SECOND);
        },
      ),
    );
  });

  it("halves a life that is too short for the floor, but never asks twice within a second", () => {
    expect(lease(10 * MINUTE).renewAfterMs).toBe(5 * MINUTE);
    expect(lease(100).renewAfterMs).toBe(SECOND);
  });

  it("loads credentials without an expiration again every 5 minutes, and never calls them expired", () => {
    const keys = lease(undefined);
    expect(keys.renewAfterMs).toBe(5 * MINUTE);
    expect(remainingMs(keys, later(10_000 * HOUR))).toBe(Infinity);
  });
});

describe("promise 7: expiry by both clocks", () => {
  it.each([
    { what: "both clocks go on", now: later(HOUR) },
    { what: "only the wall clock goes on: a sleep, or a step forward", now: later(HOUR, 0) },
    { what: "only the monotonic clock goes on: a wall clock set back", now: later(-HOUR, HOUR) },
  ])("is expired after one life when $what", ({ now }) => {
    expect(remainingMs(lease(HOUR), now)).toBe(0);
  });

  it("has no more life than it had when a clock goes back", () => {
    expect(remainingMs(lease(HOUR), later(-HOUR, 0))).toBe(HOUR);
  });

  it("has no more life, and is due, when the wall clock was set back while STS was asked", () => {
    const issued = new SigningCredentials({
      accessKeyId: "ASIATARGETEXAMPLE",
      secretAccessKey: "secret",
      issuedAt: new Date(OBTAINED.wallMs),
      expiration: new Date(OBTAINED.wallMs + HOUR),
    });
    const setBack = leaseOf(issued, later(-10 * MINUTE, SECOND), 0);
    expect(remainingMs(setBack, later(-10 * MINUTE, SECOND))).toBe(HOUR);
    expect(remainingMs(setBack, later(50 * MINUTE, HOUR + SECOND))).toBe(0);
    expect(isRenewalDue(setBack, later(-10 * MINUTE, SECOND))).toBe(true);
  });

  it("is due when the wall clock was set back by more than 30 s, because the Expiration lies", () => {
    expect(isRenewalDue(lease(HOUR), later(MINUTE - 30 * SECOND, MINUTE))).toBe(false);
    expect(isRenewalDue(lease(HOUR), later(MINUTE - 30 * SECOND - 1, MINUTE))).toBe(true);
  });
});

describe("promise 4: back-off", () => {
  const CEILING = { transient: MINUTE, throttled: MINUTE, denied: 5 * MINUTE } as const;
  const KINDS: FailureKind[] = ["transient", "throttled", "denied"];

  it.each(KINDS)("waits 1 s at least, however often it failed (%s)", (kind) => {
    for (const failures of [1, 2, 10, 5_000]) expect(retryDelayMs(kind, failures, 0)).toBe(SECOND);
  });

  it.each(KINDS)("waits up to its ceiling at most (%s)", (kind) => {
    for (const failures of [1, 2, 10, 5_000]) {
      expect(retryDelayMs(kind, failures, ALMOST_ONE)).toBeLessThanOrEqual(CEILING[kind]);
    }
    expect(retryDelayMs(kind, 5_000, ALMOST_ONE)).toBeCloseTo(CEILING[kind], 0);
  });

  it("doubles the longest pause from 2 s", () => {
    const longest = [1, 2, 3, 4, 5, 6].map((n) =>
      Math.round(retryDelayMs("denied", n, ALMOST_ONE)),
    );
    expect(longest).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 64_000]);
  });

  it("draws the pause evenly from the whole range (full jitter)", () => {
    expect(retryDelayMs("transient", 5, 0.5)).toBe(SECOND + (32 - 1) * 500);
  });

  it.each([
    ["ERR_ROLE_DENIED", "denied"],
    ["ERR_STS_THROTTLED", "throttled"],
    ["ERR_STS_UNAVAILABLE", "transient"],
    ["ERR_STS_MALFORMED", "transient"],
    ["ERR_BASE_EXPIRED", "transient"],
    ["ERR_BASE_UNAVAILABLE", "transient"],
    [undefined, "transient"],
  ] as const)("takes %s for %s", (code, kind) => {
    expect(failureKind(code)).toBe(kind);
  });

  it("ends a pause by whichever clock says so first", () => {
    expect(hasPassed(OBTAINED, SECOND, later(SECOND - 1))).toBe(false);
    expect(hasPassed(OBTAINED, SECOND, later(SECOND, 0))).toBe(true);
    expect(hasPassed(OBTAINED, SECOND, later(-HOUR, SECOND))).toBe(true);
  });
});
