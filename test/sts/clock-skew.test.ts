import { describe, expect, it } from "vitest";
import { credibleSkewOf, skewOf } from "../../src/sts/clock-skew.ts";

const NOON_MS = Date.UTC(2026, 0, 2, 12, 0, 0);
const date = (ms: number) => new Date(ms).toUTCString();

function exchange(dateMs: number, { sentMs = NOON_MS, receivedMs = NOON_MS + 200 } = {}) {
  return { sentMs, receivedMs, date: date(dateMs) };
}

describe("the skew that an answer shows", () => {
  it.each([
    ["of the same second", NOON_MS, NOON_MS + 200],
    ["cut to a second that began before the request", NOON_MS + 900, NOON_MS + 950],
    ["of any moment of a slow exchange", NOON_MS - 4_000, NOON_MS + 5_000],
  ])("is none for a Date %s", (_, sentMs, receivedMs) => {
    expect(skewOf(exchange(NOON_MS, { sentMs, receivedMs }), 0)).toBe(0);
  });

  it("is positive when the wall clock is behind, and the least that explains the Date", () => {
    expect(skewOf(exchange(NOON_MS + 60_000), 0)).toBe(59_800);
  });

  it("is negative when the wall clock is ahead, and the least that explains the Date", () => {
    expect(skewOf(exchange(NOON_MS - 60_000), 0)).toBe(-59_000);
  });

  it.each([58_000, 59_800, 60_700, 61_900])(
    "stays the known one of %d ms while the Date fits it, give or take a second",
    (knownMs) => {
      expect(skewOf(exchange(NOON_MS + 60_000), knownMs)).toBe(knownMs < 58_800 ? 59_800 : knownMs);
    },
  );

  it("is another when the Date does not fit the known one any more", () => {
    expect(skewOf(exchange(NOON_MS + 60_000), 120_000)).toBe(59_800);
  });

  it("is none again when the clock has been set right", () => {
    expect(skewOf(exchange(NOON_MS), 60_000)).toBe(0);
  });

  it.each([undefined, "", "yesterday", "NaN"])("is unknown by a Date of %j", (text) => {
    expect(skewOf({ sentMs: NOON_MS, receivedMs: NOON_MS, date: text }, 0)).toBeUndefined();
  });
});

describe("the skew that an expiration confirms", () => {
  it.each([600_000, -600_000, 86_400_000])("is believed: %d ms", (offsetMs) => {
    const expiration = new Date(NOON_MS + offsetMs + 3_600_000);
    const skewMs = credibleSkewOf(exchange(NOON_MS + offsetMs), 0, expiration, 3_600);
    expect(Math.abs((skewMs ?? 0) - offsetMs)).toBeLessThanOrEqual(1_000);
  });

  it.each([600_000, -600_000])(
    "is not believed of a Date alone that is off by %d ms",
    (offsetMs) => {
      const expiration = new Date(NOON_MS + 3_600_000);
      expect(credibleSkewOf(exchange(NOON_MS + offsetMs), 0, expiration, 3_600)).toBeUndefined();
    },
  );

  it("is not believed of an Expiration that is no date", () => {
    const never = new Date(Number.NaN);
    expect(credibleSkewOf(exchange(NOON_MS + 600_000), 0, never, 3_600)).toBeUndefined();
  });

  it("is none when the Date fits, whatever the expiration", () => {
    expect(credibleSkewOf(exchange(NOON_MS), 0, new Date(NOON_MS + 5_000), 3_600)).toBe(0);
  });
});
