import { describe, expect, it } from "vitest";
import { TemporaryCredentials } from "../../src/credentials/types.ts";
import type { CredentialEvent } from "../../src/credentials/types.ts";
import type { CrossroleErrorCode } from "../../src/errors.ts";
import {
  HOLD,
  HOUR,
  MINUTE,
  SECOND,
  accessKeyIdOf,
  ask,
  generation,
  pass,
  roleSession,
  settle,
  startCache,
  useStoppedClocks,
} from "./support.ts";
import type { FakeSts } from "./support.ts";

const ROLE = roleSession();
/** The largest number that `Math.random` can give: the longest pauses. */
const ALMOST_ONE = 1 - Number.EPSILON / 2;

/** The pauses between STS's calls, in seconds. */
function pausesOf(sts: FakeSts): number[] {
  return sts.calls
    .slice(1)
    .map(({ at }, index) => (at.monotonicMs - (sts.calls[index]?.at.monotonicMs ?? 0)) / SECOND)
    .map((seconds) => Math.round(seconds));
}

function failures(events: readonly CredentialEvent[]) {
  return events.filter((event) => event.type === "failed");
}

const GOOD_FIELDS = {
  accessKeyId: "ASIAGARBAGEEXAMPLE",
  secretAccessKey: "secret/garbage",
  sessionToken: "token/garbage",
};

const GARBAGE = [
  ["an empty access key id", { accessKeyId: "" }, HOUR],
  ["an empty secret", { secretAccessKey: "" }, HOUR],
  ["an empty token", { sessionToken: "" }, HOUR],
  ["a malformed secret", { secretAccessKey: 'a","b' }, HOUR],
  ["an expiration in the past", {}, -1],
  ["an expiration this very moment", {}, 0],
  ["an expiration in a year", {}, 365 * 24 * HOUR],
  ["an expiration that is no date", {}, Number.NaN],
] as const;

function garbage(fields: Partial<typeof GOOD_FIELDS>, lifeMs: number): TemporaryCredentials {
  const expiration = new Date(Date.now() + lifeMs);
  return new TemporaryCredentials({ ...GOOD_FIELDS, ...fields, expiration, issuedAt: new Date() });
}

describe("promise 3: what is valid is served", () => {
  useStoppedClocks();

  it.each<CrossroleErrorCode>([
    "ERR_STS_UNAVAILABLE",
    "ERR_STS_THROTTLED",
    "ERR_ROLE_DENIED",
    "ERR_BASE_EXPIRED",
  ])(
    "serves what is held through %s until its own expiration, then the error, then recovers",
    async (code) => {
      const { cache, sts } = startCache();
      const held = await cache.get(ROLE, HOLD);
      sts.failWith(code);
      for (let minute = 0; minute < 60; minute++) {
        expect(await ask(cache, ROLE)).toBe(held);
        await pass(MINUTE - 1);
        expect(await ask(cache, ROLE)).toBe(held);
        await pass(1);
      }
      expect(await ask(cache, ROLE)).toBe(code);
      sts.recover();
      await pass(5 * MINUTE);
      expect(await ask(cache, ROLE)).toMatchObject({ accessKeyId: accessKeyIdOf(2) });
    },
  );

  it.each(GARBAGE)("never caches %s: the caller gets an error", async (_what, fields, lifeMs) => {
    const { cache, sts } = startCache();
    sts.answer = async () => garbage(fields, lifeMs);
    expect(await ask(cache, ROLE)).toBe("ERR_STS_MALFORMED");
    expect(await ask(cache, ROLE)).toBe("ERR_STS_MALFORMED");
    sts.recover();
    await pass(2 * SECOND);
    expect(await ask(cache, ROLE)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
  });

  it.each(GARBAGE)("never replaces good credentials by %s", async (_what, fields, lifeMs) => {
    const { cache, sts, events } = startCache();
    const held = await cache.get(ROLE, HOLD);
    sts.answer = async () => garbage(fields, lifeMs);
    await pass(59 * MINUTE);
    expect(await ask(cache, ROLE)).toBe(held);
    expect(failures(events)[0]).toMatchObject({ error: { code: "ERR_STS_MALFORMED" } });
  });

  it("takes an error of an unknown kind for a transient one", async () => {
    const { cache, sts } = startCache();
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a library may do it
    sts.answer = () => Promise.reject("a bare string");
    expect(await ask(cache, ROLE)).toBe("a bare string");
    sts.recover();
    await pass(SECOND);
    expect(await ask(cache, ROLE)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
  });

  it("survives an STS that throws where it should have rejected", async () => {
    const { cache, sts } = startCache({
      assumeRole: () => {
        throw new TypeError("not even a promise");
      },
    });
    expect(await ask(cache, ROLE)).toBe("TypeError: not even a promise");
    expect(sts.calls).toHaveLength(0);
  });

  it("tells of a failure how much life is left and when it asks again", async () => {
    const { cache, sts, events } = startCache();
    await cache.get(ROLE, HOLD);
    sts.failWith("ERR_ROLE_DENIED");
    await pass(30 * MINUTE);
    expect(failures(events)).toMatchObject([
      {
        source: ROLE,
        error: { code: "ERR_ROLE_DENIED" },
        remainingMs: 30 * MINUTE,
        retryInMs: SECOND,
      },
    ]);
  });
});

describe("promise 4: back-off", () => {
  useStoppedClocks();

  it.each([
    ["ERR_STS_UNAVAILABLE", [2, 4, 8, 16, 32, 60, 60]],
    ["ERR_STS_THROTTLED", [2, 4, 8, 16, 32, 60, 60]],
    ["ERR_ROLE_DENIED", [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]],
  ] as const)("doubles the longest pause after %s up to its ceiling", async (code, pauses) => {
    const { cache, sts } = startCache({ random: () => ALMOST_ONE });
    sts.failWith(code);
    await ask(cache, ROLE);
    await pass(20 * MINUTE);
    expect(pausesOf(sts).slice(0, pauses.length)).toEqual(pauses);
  });

  it("never asks twice within a second", async () => {
    const { cache, sts } = startCache({ random: () => 0 });
    sts.failWith("ERR_STS_UNAVAILABLE");
    await ask(cache, ROLE);
    await pass(MINUTE);
    expect(new Set(pausesOf(sts))).toEqual(new Set([1]));
  });

  it("makes no call before the pause ends, however many ask, and answers the last error at once", async () => {
    const { cache, sts } = startCache({ random: () => ALMOST_ONE });
    sts.failWith("ERR_STS_UNAVAILABLE");
    await ask(cache, ROLE);
    sts.recover();
    for (let tenth = 0; tenth < 19; tenth++) {
      expect(await ask(cache, ROLE)).toBe("ERR_STS_UNAVAILABLE");
      await pass(100);
    }
    expect(sts.calls).toHaveLength(1);
    await pass(100);
    expect(await ask(cache, ROLE)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
  });

  it("makes no renewal before the pause ends, however many ask", async () => {
    const { cache, sts } = startCache({ random: () => ALMOST_ONE });
    await cache.get(ROLE, HOLD);
    sts.failWith("ERR_STS_UNAVAILABLE");
    await pass(27 * MINUTE);
    for (let tenth = 0; tenth < 19; tenth++) {
      await ask(cache, ROLE);
      await pass(100);
    }
    expect(sts.calls).toHaveLength(2);
    await pass(100);
    expect(sts.calls).toHaveLength(3);
  });

  it("asks again by itself when the pause is over, with nobody waiting", async () => {
    const { cache, sts } = startCache();
    sts.failWith("ERR_STS_UNAVAILABLE");
    await ask(cache, ROLE);
    sts.recover();
    await pass(SECOND);
    expect(cache.get(ROLE, HOLD)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
  });

  it("counts throttling apart: it does not lengthen the pause after another fault", async () => {
    const { cache, sts } = startCache({ random: () => ALMOST_ONE });
    sts.failWith("ERR_STS_THROTTLED");
    await ask(cache, ROLE);
    await pass(14 * SECOND);
    sts.failWith("ERR_STS_UNAVAILABLE");
    await pass(60 * SECOND);
    // Four times throttled, and the pause is 16 s by now; the first fault of another kind starts at 2 s.
    expect(pausesOf(sts).slice(0, 7)).toEqual([2, 4, 8, 16, 2, 4, 8]);
  });

  it("starts anew with the shortest pauses after a success", async () => {
    const { cache, sts } = startCache({ random: () => ALMOST_ONE });
    sts.failWith("ERR_STS_UNAVAILABLE");
    await ask(cache, ROLE);
    await pass(MINUTE);
    sts.recover();
    await pass(MINUTE);
    await cache.get(ROLE, HOLD);
    const before = sts.calls.length;
    sts.failWith("ERR_STS_UNAVAILABLE");
    await pass(28 * MINUTE);
    expect(pausesOf(sts).slice(before, before + 3)).toEqual([2, 4, 8]);
  });
});

describe("promise 4: an attempt is given up after 10 s", () => {
  useStoppedClocks();

  it("gives up an STS that never answers, even one that heeds no signal", async () => {
    const { cache, sts } = startCache();
    sts.fallSilent();
    const answer = ask(cache, ROLE, { holdMs: MINUTE });
    await pass(10 * SECOND - 1);
    expect(sts.calls[0]?.signal.aborted).toBe(false);
    await pass(1);
    expect(sts.calls[0]?.signal.aborted).toBe(true);
    expect(await answer).toBe("ERR_STS_UNAVAILABLE");
  });

  it("asks again after the pause, and serves what it then gets", async () => {
    const { cache, sts } = startCache();
    sts.fallSilent();
    const answer = ask(cache, ROLE, { holdMs: MINUTE });
    await pass(10 * SECOND);
    await answer;
    sts.recover();
    await pass(SECOND);
    expect(cache.get(ROLE, HOLD)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
  });

  it("gives up a base that never loads", async () => {
    const { cache, base, sts } = startCache();
    base.answer = () => Promise.withResolvers<never>().promise;
    const answer = ask(cache, ROLE, { holdMs: MINUTE });
    await pass(10 * SECOND);
    expect(base.loads[0]?.signal.aborted).toBe(true);
    expect(await answer).toBe("ERR_STS_UNAVAILABLE");
    expect(sts.calls).toHaveLength(0);
  });

  it("does not abort an STS that answered in time", async () => {
    const { cache, sts } = startCache();
    sts.answerAfter(9 * SECOND);
    const answer = ask(cache, ROLE, { holdMs: MINUTE });
    await pass(MINUTE);
    expect(await answer).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
    expect(sts.calls[0]?.signal.aborted).toBe(false);
  });
});

describe("no promise without an owner", () => {
  useStoppedClocks();

  it("leaves no rejection unhandled, whoever waits or does not", async () => {
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    const { cache, sts } = startCache();
    sts.failWith("ERR_STS_UNAVAILABLE");
    // Gone before the answer, renewed by a timer, and answered from the last error.
    const waits = [ask(cache, ROLE, { holdMs: 0 }), ask(cache, ROLE), ask(cache, ROLE)];
    await pass(MINUTE);
    await Promise.all(waits);
    sts.answer = async () => generation(1, HOUR);
    await pass(MINUTE);
    sts.fallSilent();
    await pass(HOUR);
    const late = ask(cache, roleSession({ externalId: "late" }), { holdMs: HOUR });
    await settle();
    cache.close();
    await late;
    await settle();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });
});
