import { describe, expect, it, vi } from "vitest";
import {
  BASE,
  HOLD,
  HOUR,
  MINUTE,
  SECOND,
  accessKeyIdOf,
  ask,
  jump,
  pass,
  roleNamed,
  roleSession,
  settle,
  startCache,
  useStoppedClocks,
} from "./support.ts";

const ROLE = roleSession();

describe("promise 5: a session nobody asks for lapses", () => {
  useStoppedClocks();

  it("makes no more calls and holds no timer after one whole lifetime unasked", async () => {
    const { cache, sts, base, events } = startCache();
    await cache.get(ROLE, HOLD);
    await pass(61 * MINUTE);
    expect(events.filter(({ type }) => type === "lapsed")).toEqual([
      { type: "lapsed", source: ROLE },
    ]);
    const before = { sts: sts.calls.length, base: base.loads.length };
    await pass(2 * HOUR);
    expect(sts.calls).toHaveLength(before.sts);
    expect(base.loads.length - before.base).toBeLessThanOrEqual(24);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("keeps a session that is asked for once in its lifetime", async () => {
    const { cache, sts, events } = startCache();
    await cache.get(ROLE, HOLD);
    for (let hour = 0; hour < 10; hour++) {
      await pass(59 * MINUTE);
      expect(cache.get(ROLE, HOLD)).not.toBeInstanceOf(Promise);
    }
    expect(events.map(({ type }) => type)).not.toContain("lapsed");
    expect(sts.calls.length).toBeGreaterThan(19);
  });

  it("counts no time in which the machine slept: nobody could have asked", async () => {
    const { cache, sts, events } = startCache();
    await ask(cache, ROLE);
    jump(8 * HOUR);
    await pass(MINUTE);
    expect(events.map(({ type }) => type)).not.toContain("lapsed");
    expect(sts.callsOf(ROLE)).toBe(2);
  });

  it("starts a lapsed session anew when somebody asks", async () => {
    const { cache, sts } = startCache();
    await cache.get(ROLE, HOLD);
    await pass(3 * HOUR);
    const before = sts.calls.length;
    expect(await ask(cache, ROLE)).toMatchObject({ accessKeyId: accessKeyIdOf(before + 1) });
  });

  it("lets a session lapse that could never be obtained", async () => {
    const { cache, sts } = startCache();
    sts.failWith("ERR_ROLE_DENIED");
    await ask(cache, ROLE);
    await pass(61 * MINUTE);
    const before = sts.calls.length;
    await pass(6 * HOUR);
    expect(sts.calls).toHaveLength(before);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("does not keep the process alive for a renewal to come", async () => {
    vi.useRealTimers();
    const { cache } = startCache();
    await cache.get(ROLE, HOLD);
    const alive = process.getActiveResourcesInfo().filter((resource) => resource === "Timeout");
    cache.close();
    const without = process.getActiveResourcesInfo().filter((resource) => resource === "Timeout");
    expect(alive).toHaveLength(without.length);
  });
});

describe("promise 6: the cache is bounded", () => {
  useStoppedClocks();

  it("forgets the least recently asked for, and its timer with it", async () => {
    const { cache, sts } = startCache({ maxSessions: 3 });
    const [a, b, c] = [roleNamed("a"), roleNamed("b"), roleNamed("c")];
    await cache.get(a, HOLD);
    await cache.get(b, HOLD);
    await cache.get(c, HOLD);
    // Three fit: b, c and the base, which was asked for when they were assumed.
    const timers = vi.getTimerCount();
    await pass(31 * MINUTE);
    expect(timers).toBe(3);
    expect([a, b, c].map((session) => sts.callsOf(session))).toEqual([1, 2, 2]);
  });

  it("cancels the call of an evicted session, and refuses who waits for it", async () => {
    const { cache, sts } = startCache({ maxSessions: 2 });
    sts.fallSilent();
    const evicted = ask(cache, roleNamed("a"), { holdMs: MINUTE });
    await settle();
    sts.recover();
    await ask(cache, roleNamed("b"));
    expect(sts.calls[0]?.signal.aborted).toBe(true);
    expect(await evicted).toBe("ERR_CLOSED");
  });

  it("asks nothing of STS for a session that was evicted while it waited for its base", async () => {
    const { cache, sts, base } = startCache();
    const loading = Promise.withResolvers<Awaited<ReturnType<typeof base.answer>>>();
    const keys = await base.answer();
    base.answer = () => loading.promise;
    const dropped = ask(cache, roleNamed("dropped"), { holdMs: MINUTE });
    const kept = ask(cache, roleNamed("kept"), { holdMs: MINUTE });
    cache.retain([roleNamed("kept")]);
    loading.resolve(keys);
    expect(await dropped).toBe("ERR_CLOSED");
    expect(await kept).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
    expect(sts.calls).toHaveLength(1);
  });

  it("has one call in flight for a session that is dropped and asked for again while it waits", async () => {
    const { cache, sts } = startCache({ callsPerSecond: 1, burst: 1 });
    await cache.get(ROLE, HOLD);
    const again = roleNamed("again");
    const dropped = ask(cache, again, { holdMs: MINUTE });
    await settle();
    cache.retain([]);
    const answer = ask(cache, again, { holdMs: MINUTE });
    await pass(3 * SECOND);
    expect(await dropped).toBe("ERR_CLOSED");
    expect(await answer).toMatchObject({ accessKeyId: accessKeyIdOf(2) });
    expect(sts.callsOf(again)).toBe(1);
  });
});

describe("retain", () => {
  useStoppedClocks();

  it("forgets the sessions that are not listed, with their timers", async () => {
    const { cache, sts } = startCache();
    const [kept, dropped] = [roleNamed("kept"), roleNamed("dropped")];
    const held = await cache.get(kept, HOLD);
    await cache.get(dropped, HOLD);
    cache.retain([kept]);
    expect(cache.get(kept, HOLD)).toBe(held);
    await pass(31 * MINUTE);
    expect([kept, dropped].map((session) => sts.callsOf(session))).toEqual([2, 1]);
  });

  it("keeps the hops of what is listed, and the base", async () => {
    const { cache, sts, base } = startCache();
    const gateway = roleNamed("gateway");
    const behind = roleNamed("behind", { source: gateway });
    await cache.get(behind, HOLD);
    cache.retain([behind]);
    await cache.get(roleNamed("also", { source: gateway }), HOLD);
    expect(sts.callsOf(gateway)).toBe(1);
    expect(base.loads).toHaveLength(1);
  });

  it("knows a session by what it says, not by the object", async () => {
    const { cache, sts } = startCache();
    await cache.get(roleNamed("reader"), HOLD);
    cache.retain([roleNamed("reader", { sessionTags: {} })]);
    await cache.get(roleNamed("reader"), HOLD);
    expect(sts.calls).toHaveLength(1);
  });

  it("cancels the call of a session that is not listed", async () => {
    const { cache, sts } = startCache();
    sts.fallSilent();
    const dropped = ask(cache, ROLE, { holdMs: MINUTE });
    await settle();
    cache.retain([]);
    expect(sts.calls[0]?.signal.aborted).toBe(true);
    expect(await dropped).toBe("ERR_CLOSED");
  });
});

describe("close", () => {
  useStoppedClocks();

  it("cancels every timer and every call", async () => {
    const { cache, sts } = startCache();
    await cache.get(ROLE, HOLD);
    sts.fallSilent();
    const waiting = ask(cache, roleNamed("slow"), { holdMs: MINUTE });
    await settle();
    cache.close();
    expect(await waiting).toBe("ERR_CLOSED");
    expect(sts.calls[1]?.signal.aborted).toBe(true);
    await settle();
    expect(vi.getTimerCount()).toBe(0);
  });

  it("refuses who waits for the budget", async () => {
    const { cache, sts } = startCache({ callsPerSecond: 1, burst: 1 });
    await cache.get(ROLE, HOLD);
    const waiting = ask(cache, roleNamed("next"), { holdMs: MINUTE });
    await settle();
    cache.close();
    expect(await waiting).toBe("ERR_CLOSED");
    await pass(MINUTE);
    expect(sts.calls).toHaveLength(1);
  });

  it("refuses who waits for a hop, and calls STS no more", async () => {
    const { cache, sts } = startCache();
    sts.fallSilent();
    const waiting = ask(cache, roleNamed("behind", { source: ROLE }), { holdMs: MINUTE });
    await settle();
    cache.close();
    expect(await waiting).toBe("ERR_CLOSED");
    await pass(MINUTE);
    expect(sts.calls).toHaveLength(1);
  });

  it("refuses who asks later, and starts nothing", async () => {
    const { cache, sts, base } = startCache();
    cache.close();
    expect(await ask(cache, ROLE)).toBe("ERR_CLOSED");
    await pass(HOUR);
    expect([sts.calls.length, base.loads.length]).toEqual([0, 0]);
  });

  it("reports no failure of what it cancels", async () => {
    const { cache, sts, events } = startCache();
    sts.fallSilent();
    const waiting = ask(cache, ROLE, { holdMs: MINUTE });
    await settle();
    cache.close();
    await waiting;
    await settle();
    expect(events.filter(({ source }) => source !== BASE)).toEqual([]);
  });
});
