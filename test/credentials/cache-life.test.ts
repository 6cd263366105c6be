import { describe, expect, it } from "vitest";
import type { TemporaryCredentials } from "../../src/credentials/types.ts";
import {
  HOLD,
  HOUR,
  MINUTE,
  SECOND,
  accessKeyIdOf,
  ask,
  generation,
  jump,
  lifeOf,
  pass,
  roleSession,
  settle,
  startCache,
  useStoppedClocks,
} from "./support.ts";

const HOUR_LONG = roleSession({ durationSeconds: 3600 });
const HALF_HOUR_LONG = roleSession({ durationSeconds: 1800 });
/** The largest number that `Math.random` can give. */
const ALMOST_ONE = 1 - Number.EPSILON / 2;

describe("promise 1: never less than 25 minutes of life while STS is reachable", () => {
  useStoppedClocks();

  it("renews at half the life, not before and not later", async () => {
    const { cache, sts } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    await pass(30 * MINUTE - 1);
    expect(sts.calls).toHaveLength(1);
    await pass(1);
    expect(sts.calls).toHaveLength(2);
  });

  it("renews up to 10 % earlier by jitter", async () => {
    const { cache, sts } = startCache({ random: () => ALMOST_ONE });
    await cache.get(HOUR_LONG, HOLD);
    await pass(27 * MINUTE - 1);
    expect(sts.calls).toHaveLength(1);
    await pass(1);
    expect(sts.calls).toHaveLength(2);
  });

  it("serves the renewed session from the moment STS has answered", async () => {
    const { cache, sts } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    sts.answerAfter(2 * SECOND);
    await pass(30 * MINUTE + SECOND);
    expect(await ask(cache, HOUR_LONG)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
    await pass(SECOND);
    expect(await ask(cache, HOUR_LONG)).toMatchObject({ accessKeyId: accessKeyIdOf(2) });
  });

  it.each([
    ["no jitter", 0],
    ["all jitter", ALMOST_ONE],
  ])("has 25 minutes left in every answer of a 1800 s session (%s)", async (_what, random) => {
    const { cache, sts } = startCache({ random: () => random });
    sts.answerAfter(5 * SECOND);
    const first = ask(cache, HALF_HOUR_LONG, { holdMs: MINUTE });
    await pass(5 * SECOND);
    await first;
    const lives: number[] = [];
    for (let asked = 0; asked < 500; asked++) {
      await pass(13 * SECOND);
      lives.push(await lifeOf(cache, HALF_HOUR_LONG));
    }
    expect(Math.min(...lives)).toBeGreaterThanOrEqual(25 * MINUTE);
  });

  it("has 25 minutes left at the first question after 29 idle minutes", async () => {
    const { cache } = startCache();
    await cache.get(HALF_HOUR_LONG, HOLD);
    await pass(29 * MINUTE);
    expect(await lifeOf(cache, HALF_HOUR_LONG)).toBeGreaterThanOrEqual(25 * MINUTE);
  });

  it("answers what is held at once, without a promise", async () => {
    const { cache } = startCache();
    const obtained = await cache.get(HOUR_LONG, HOLD);
    expect(cache.get(HOUR_LONG, HOLD)).toBe(obtained);
  });

  it("answers at once while a renewal is under way", async () => {
    const { cache, sts } = startCache();
    const obtained = await cache.get(HOUR_LONG, HOLD);
    sts.fallSilent();
    await pass(30 * MINUTE);
    expect(sts.calls).toHaveLength(2);
    expect(cache.get(HOUR_LONG, HOLD)).toBe(obtained);
  });

  it("tells of every renewal what was obtained, and how long it took", async () => {
    const { cache, sts, events } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    sts.answerAfter(2 * SECOND);
    await pass(31 * MINUTE);
    const ofTheRole = events.filter(({ source }) => source === HOUR_LONG);
    expect(ofTheRole).toMatchObject([
      {
        type: "obtained",
        renewal: false,
        elapsedMs: 0,
        credentials: { accessKeyId: accessKeyIdOf(1) },
      },
      {
        type: "obtained",
        renewal: true,
        elapsedMs: 2_000,
        credentials: { accessKeyId: accessKeyIdOf(2) },
      },
    ]);
  });
});

describe("promise 7: expiry is judged by the clocks at each request", () => {
  useStoppedClocks();

  it.each([
    ["the wall clock is set forward", HOUR],
    ["a laptop slept for exactly one life", HOUR],
    ["a laptop slept for a week", 7 * 24 * HOUR],
  ])("never answers expired credentials after %s", async (_what, ms) => {
    const { cache, sts } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    jump(ms);
    expect(await ask(cache, HOUR_LONG)).toMatchObject({ accessKeyId: accessKeyIdOf(2) });
    sts.failWith("ERR_STS_UNAVAILABLE");
    jump(ms);
    expect(await ask(cache, HOUR_LONG)).toBe("ERR_STS_UNAVAILABLE");
  });

  it("serves until the last millisecond of the wall clock, and not longer", async () => {
    const { cache, sts } = startCache();
    const obtained = await cache.get(HOUR_LONG, HOLD);
    sts.failWith("ERR_STS_UNAVAILABLE");
    jump(HOUR - 1);
    expect(await ask(cache, HOUR_LONG)).toBe(obtained);
    jump(1);
    expect(await ask(cache, HOUR_LONG)).toBe("ERR_STS_UNAVAILABLE");
  });

  it("renews within 30 s of waking up, before anybody asks", async () => {
    const { cache, sts } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    await pass(MINUTE);
    jump(45 * MINUTE);
    await pass(30 * SECOND);
    expect(sts.calls).toHaveLength(2);
  });

  it("never answers expired credentials after the wall clock was set back", async () => {
    const { cache, sts } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    sts.failWith("ERR_STS_UNAVAILABLE");
    jump(-24 * HOUR);
    await pass(HOUR - SECOND);
    expect(await ask(cache, HOUR_LONG)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
    await pass(SECOND);
    expect(await ask(cache, HOUR_LONG)).toBe("ERR_STS_UNAVAILABLE");
  });

  it("renews within 30 s after the wall clock was set back, since the Expiration given out lies", async () => {
    const { cache, sts } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    await pass(MINUTE);
    jump(-10 * MINUTE);
    await pass(30 * SECOND);
    expect(sts.calls).toHaveLength(2);
    expect(await lifeOf(cache, HOUR_LONG)).toBeLessThanOrEqual(HOUR);
    await pass(5 * MINUTE);
    expect(sts.calls).toHaveLength(2);
  });

  it("renews at the next question after the wall clock was set back", async () => {
    const { cache, sts } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    await pass(SECOND);
    jump(-MINUTE);
    await cache.get(HOUR_LONG, HOLD);
    await settle();
    expect(sts.calls).toHaveLength(2);
  });

  it("never answers expired credentials after the wall clock was set back during the call", async () => {
    const { cache, sts } = startCache();
    const answered = Promise.withResolvers<TemporaryCredentials>();
    sts.answer = () => answered.promise;
    const first = ask(cache, HOUR_LONG, { holdMs: MINUTE });
    await settle();
    answered.resolve(generation(1));
    jump(-30 * MINUTE);
    await first;
    sts.failWith("ERR_STS_UNAVAILABLE");
    await pass(HOUR - 1);
    expect(await ask(cache, HOUR_LONG)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
    await pass(1);
    expect(await ask(cache, HOUR_LONG)).toBe("ERR_STS_UNAVAILABLE");
  });

  it("serves again what a clock set forward and back made look expired", async () => {
    const { cache, sts } = startCache();
    const obtained = await cache.get(HOUR_LONG, HOLD);
    sts.failWith("ERR_STS_UNAVAILABLE");
    jump(2 * HOUR);
    expect(await ask(cache, HOUR_LONG)).toBe("ERR_STS_UNAVAILABLE");
    jump(-2 * HOUR);
    expect(await ask(cache, HOUR_LONG)).toBe(obtained);
  });

  it("does not take a session that a sleep outlived for renewed", async () => {
    const { cache, sts } = startCache();
    await cache.get(HOUR_LONG, HOLD);
    sts.answer = async () => generation(7, 40 * MINUTE);
    jump(HOUR);
    expect(await lifeOf(cache, HOUR_LONG)).toBe(40 * MINUTE);
    jump(40 * MINUTE);
    sts.failWith("ERR_STS_UNAVAILABLE");
    expect(await ask(cache, HOUR_LONG)).toBe("ERR_STS_UNAVAILABLE");
  });
});
