import { describe, expect, it, vi } from "vitest";
import { SigningCredentials } from "../../src/credentials/types.ts";
import { CrossroleError } from "../../src/errors.ts";
import {
  BASE,
  HOLD,
  HOUR,
  MINUTE,
  SECOND,
  accessKeyIdOf,
  ask,
  generation,
  longLivedKeys,
  pass,
  roleNamed,
  settle,
  startCache,
  useStoppedClocks,
} from "./support.ts";

const GATEWAY = roleNamed("gateway");
const BEHIND = Array.from({ length: 20 }, (_, index) =>
  roleNamed(`reader-${index}`, { source: GATEWAY }),
);
const [READER = GATEWAY, WRITER = GATEWAY] = BEHIND;
const STS_EXPIRED = new CrossroleError("ERR_BASE_EXPIRED", "ExpiredToken");

describe("promise 2: a hop is a session like any other", () => {
  useStoppedClocks();

  it("is assumed once for the 20 roles behind it, and signs all of their calls", async () => {
    const { cache, sts } = startCache({ burst: 21 });
    await Promise.all(BEHIND.map((role) => ask(cache, role)));
    expect(sts.callsOf(GATEWAY)).toBe(1);
    expect(sts.calls).toHaveLength(21);
    const signers = sts.calls.slice(1).map(({ signer }) => signer.accessKeyId);
    expect(new Set(signers)).toEqual(new Set([accessKeyIdOf(1)]));
  });

  it("is the same session for a client who asks for it directly", async () => {
    const { cache, sts } = startCache();
    await cache.get(READER, HOLD);
    await cache.get(GATEWAY, HOLD);
    expect(sts.callsOf(GATEWAY)).toBe(1);
  });

  it("is signed by the base", async () => {
    const { cache, sts } = startCache();
    await cache.get(READER, HOLD);
    expect(sts.calls[0]?.signer.accessKeyId).toBe(longLivedKeys().accessKeyId);
  });

  it("is renewed once a period for all of them", async () => {
    const { cache, sts } = startCache({ burst: 100, callsPerSecond: 100 });
    await Promise.all(BEHIND.map((role) => ask(cache, role)));
    for (let quarter = 0; quarter < 16; quarter++) {
      await pass(15 * MINUTE);
      await Promise.all(BEHIND.map((role) => ask(cache, role)));
    }
    expect(sts.callsOf(GATEWAY)).toBeLessThanOrEqual(9);
  });

  it("tells those behind it why it failed, and serves what they hold meanwhile", async () => {
    const { cache, sts } = startCache();
    const held = await cache.get(READER, HOLD);
    sts.failWith("ERR_ROLE_DENIED");
    await pass(59 * MINUTE);
    expect(await ask(cache, READER)).toBe(held);
    expect(await ask(cache, roleNamed("new", { source: roleNamed("locked") }))).toBe(
      "ERR_ROLE_DENIED",
    );
  });

  it("goes through three hops, each signed by the one before", async () => {
    const { cache, sts } = startCache();
    const transit = roleNamed("transit", { source: GATEWAY });
    const target = roleNamed("target", { source: transit });
    await cache.get(target, HOLD);
    expect(sts.calls.map(({ session }) => session)).toEqual([GATEWAY, transit, target]);
    expect(sts.calls.map(({ signer }) => signer.accessKeyId)).toEqual([
      longLivedKeys().accessKeyId,
      accessKeyIdOf(1),
      accessKeyIdOf(2),
    ]);
  });
});

describe("promise 5: a hop lapses with the last role behind it", () => {
  useStoppedClocks();

  it("makes no more calls once nobody asks for what is behind it", async () => {
    const { cache, sts, events } = startCache();
    await cache.get(READER, HOLD);
    await pass(4 * HOUR);
    const lapsed = events.filter(({ type }) => type === "lapsed").map(({ source }) => source);
    expect(lapsed).toEqual([READER, GATEWAY, BASE]);
    const before = sts.calls.length;
    await pass(4 * HOUR);
    expect(sts.calls).toHaveLength(before);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("stays while one of the roles behind it is asked for", async () => {
    const { cache, events } = startCache();
    for (let hour = 0; hour < 10; hour++) {
      await ask(cache, READER);
      await pass(59 * MINUTE);
    }
    expect(events.filter(({ type }) => type === "lapsed")).toEqual([]);
  });
});

describe("promise 8: the base is renewed on its own", () => {
  useStoppedClocks();

  it("loads temporary base credentials again at half of their life", async () => {
    const { cache, base } = startCache();
    base.answer = async () => generation(500, 2 * HOUR);
    await cache.get(GATEWAY, HOLD);
    await pass(HOUR - 1);
    expect(base.loads).toHaveLength(1);
    await pass(1);
    expect(base.loads).toHaveLength(2);
  });

  it("signs with the keys that were rotated within the last 5 minutes", async () => {
    const { cache, sts, base } = startCache();
    await cache.get(GATEWAY, HOLD);
    base.answer = async () => longLivedKeys("AKIAROTATEDEXAMPLE");
    await pass(5 * MINUTE);
    await cache.get(roleNamed("next"), HOLD);
    expect(sts.calls[1]?.signer.accessKeyId).toBe("AKIAROTATEDEXAMPLE");
  });

  it("can be lost for 30 minutes without anybody noticing", async () => {
    const { cache, base } = startCache();
    base.answer = async () => generation(500, HOUR);
    await cache.get(GATEWAY, HOLD);
    await pass(29 * MINUTE);
    base.answer = () => Promise.reject(new CrossroleError("ERR_BASE_UNAVAILABLE", "gone"));
    for (let minute = 0; minute < 30; minute++) {
      expect(cache.get(GATEWAY, HOLD)).not.toBeInstanceOf(Promise);
      await pass(MINUTE);
    }
    expect(cache.get(GATEWAY, HOLD)).not.toBeInstanceOf(Promise);
  });

  it("is refused when it gives garbage, and keeps what it gave before", async () => {
    const { cache, sts, base } = startCache();
    await cache.get(GATEWAY, HOLD);
    base.answer = async () =>
      new SigningCredentials({ accessKeyId: "", secretAccessKey: "", issuedAt: new Date() });
    await pass(10 * MINUTE);
    expect(await ask(cache, roleNamed("next"))).toMatchObject({ accessKeyId: accessKeyIdOf(2) });
    expect(sts.calls[1]?.signer.accessKeyId).toBe(longLivedKeys().accessKeyId);
  });

  it("tells who asks that there is no base", async () => {
    const { cache, sts, base } = startCache();
    base.answer = () => Promise.reject(new CrossroleError("ERR_BASE_UNAVAILABLE", "gone"));
    expect(await ask(cache, READER)).toBe("ERR_BASE_UNAVAILABLE");
    expect(sts.calls).toHaveLength(0);
  });
});

describe("a signer that STS calls expired", () => {
  useStoppedClocks();

  it("is loaded anew for the next attempt, whatever its own date says", async () => {
    const { cache, sts, base } = startCache();
    sts.answer = () => Promise.reject(STS_EXPIRED);
    expect(await ask(cache, GATEWAY)).toBe("ERR_BASE_EXPIRED");
    base.answer = async () => longLivedKeys("AKIAROTATEDEXAMPLE");
    sts.recover();
    await pass(SECOND);
    expect(await ask(cache, GATEWAY)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
    expect(sts.calls.map(({ signer }) => signer.accessKeyId)).toEqual([
      longLivedKeys().accessKeyId,
      "AKIAROTATEDEXAMPLE",
    ]);
  });

  it("is assumed anew when it is a hop", async () => {
    const { cache, sts } = startCache();
    sts.answer = (call) =>
      call.signer.accessKeyId === accessKeyIdOf(1) ? Promise.reject(STS_EXPIRED) : sts.issue(call);
    expect(await ask(cache, READER)).toBe("ERR_BASE_EXPIRED");
    await pass(SECOND);
    expect(await ask(cache, READER)).toMatchObject({ accessKeyId: accessKeyIdOf(3) });
    expect(sts.callsOf(GATEWAY)).toBe(2);
  });

  it("is still what a client of the hop itself is served, until the new one is there", async () => {
    const { cache, sts } = startCache();
    const held = await cache.get(GATEWAY, HOLD);
    sts.answer = () => Promise.reject(STS_EXPIRED);
    await ask(cache, READER);
    await pass(SECOND);
    expect(await ask(cache, GATEWAY)).toBe(held);
  });

  it("is loaded once per attempt, and attempts keep their pauses, when the new one is no better", async () => {
    const { cache, sts, base } = startCache();
    sts.answer = () => Promise.reject(STS_EXPIRED);
    await ask(cache, GATEWAY);
    for (let second = 0; second < 60; second++) {
      await ask(cache, GATEWAY);
      await pass(SECOND);
    }
    expect(sts.calls.length).toBeLessThanOrEqual(61);
    expect(base.loads.length).toBeLessThanOrEqual(sts.calls.length);
  });

  it("is not blamed for a verdict on what it replaced", async () => {
    const { cache, sts } = startCache();
    const slow = Promise.withResolvers<never>();
    sts.answer = (call) => {
      if (call.session === WRITER && sts.callsOf(WRITER) === 1) return slow.promise;
      return call.signer.accessKeyId === accessKeyIdOf(1)
        ? Promise.reject(STS_EXPIRED)
        : sts.issue(call);
    };
    await Promise.all([ask(cache, READER), ask(cache, WRITER, { holdMs: 0 }), pass(SECOND)]);
    await ask(cache, READER);
    expect(sts.callsOf(GATEWAY)).toBe(2);
    slow.reject(STS_EXPIRED);
    await settle();
    await pass(2 * SECOND);
    expect(await ask(cache, WRITER)).toMatchObject({ accessKeyId: accessKeyIdOf(4) });
    expect(sts.callsOf(GATEWAY)).toBe(2);
  });
});

describe("promise 4: the failure of a hop is none of the role's behind it", () => {
  useStoppedClocks();

  it("so that the role is back as soon as the hop is, however long the hop was refused", async () => {
    const { cache, sts } = startCache();
    const denied = new CrossroleError("ERR_ROLE_DENIED", "AccessDenied");
    sts.answer = (call) =>
      call.session === GATEWAY ? Promise.reject(denied) : Promise.resolve(sts.issue(call));
    expect(await ask(cache, READER)).toBe("ERR_ROLE_DENIED");
    await pass(HOUR / 2);
    const refused = sts.callsOf(GATEWAY);
    sts.answer = (call) => Promise.resolve(sts.issue(call));
    await pass(5 * MINUTE + SECOND);
    expect(sts.callsOf(GATEWAY)).toBe(refused + 1);
    expect(sts.callsOf(READER)).toBe(1);
  });
});
