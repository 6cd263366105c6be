import { describe, expect, it } from "vitest";
import type { RestoredSession } from "../../src/credentials/restored.ts";
import { sessionKey } from "../../src/credentials/session-key.ts";
import { TemporaryCredentials } from "../../src/credentials/types.ts";
import type { RoleSession } from "../../src/credentials/types.ts";
import {
  BASE,
  HOLD,
  HOUR,
  MINUTE,
  ask,
  generation,
  jump,
  now,
  pass,
  roleNamed,
  startCache,
  useStoppedClocks,
} from "./support.ts";

const READER = roleNamed("reader");

useStoppedClocks();

/** A session of an hour that another process has obtained `agoMs` before. */
function restored(session: RoleSession, agoMs = 0, wallAgoMs = agoMs): RestoredSession {
  const { wallMs, monotonicMs } = now();
  return {
    key: sessionKey(session),
    credentials: new TemporaryCredentials({
      accessKeyId: "ASIARESTOREDEXAMPLE",
      secretAccessKey: "secret/restored",
      sessionToken: "token/restored",
      expiration: new Date(wallMs - wallAgoMs + HOUR),
      issuedAt: new Date(wallMs - wallAgoMs),
    }),
    obtained: { wallMs: wallMs - wallAgoMs, monotonicMs: monotonicMs - agoMs },
  };
}

describe("a session of a daemon before this one", () => {
  it("is served at once, without a call to STS, and told of once", () => {
    const { cache, sts, base, events } = startCache();
    const saved = restored(READER, MINUTE);
    cache.restore([saved]);

    expect(cache.get(READER, HOLD)).toBe(saved.credentials);
    expect(cache.get(READER, HOLD)).toBe(saved.credentials);
    expect(sts.calls).toEqual([]);
    expect(base.loads).toEqual([]);
    expect(events).toEqual([{ type: "restored", source: READER, credentials: saved.credentials }]);
  });

  it("is renewed at half its whole life, as if there had been no restart", async () => {
    const { cache, sts } = startCache();
    cache.restore([restored(READER, 20 * MINUTE)]);
    await ask(cache, READER);

    await pass(9 * MINUTE);
    expect(sts.calls).toHaveLength(0);
    await pass(2 * MINUTE);
    expect(sts.calls).toHaveLength(1);
  });

  it("is served while it is renewed when that is overdue, and never below its end", async () => {
    const { cache, sts } = startCache();
    sts.fallSilent();
    cache.restore([restored(READER, 58 * MINUTE)]);

    expect(await ask(cache, READER)).toMatchObject({ accessKeyId: "ASIARESTOREDEXAMPLE" });
    await pass(MINUTE);
    expect(sts.calls.length).toBeGreaterThan(0);
    expect(await ask(cache, READER)).toMatchObject({ accessKeyId: "ASIARESTOREDEXAMPLE" });
    await pass(MINUTE);
    expect(await ask(cache, READER)).toBeTypeOf("string");
  });

  it.each([
    ["by both clocks", HOUR, HOUR],
    ["by the clock that was not set back", HOUR, -30 * MINUTE],
    ["by the wall clock, while the machine slept", 0, HOUR],
  ])("is obtained anew when it has expired %s", async (_, agoMs, wallAgoMs) => {
    const { cache, sts, events } = startCache();
    cache.restore([restored(READER, agoMs, wallAgoMs)]);

    expect(await ask(cache, READER)).not.toMatchObject({ accessKeyId: "ASIARESTOREDEXAMPLE" });
    expect(sts.calls).toHaveLength(1);
    expect(events.map(({ type }) => type)).not.toContain("restored");
  });

  it("is renewed at once when the wall clock was set back while nobody looked", async () => {
    const { cache, sts } = startCache();
    cache.restore([restored(READER, 10 * MINUTE, -10 * MINUTE)]);

    await ask(cache, READER);
    await pass(0);

    expect(sts.calls).toHaveLength(1);
  });

  it.each<[string, RoleSession]>([
    ["external id", roleNamed("reader", { externalId: "7f2c" })],
    ["session name", roleNamed("reader", { sessionName: "other" })],
    ["policy", roleNamed("reader", { policy: "{}" })],
    ["base", roleNamed("reader", { source: { ...BASE, name: "other" } })],
    ["hop", roleNamed("reader", { source: roleNamed("gateway") })],
  ])("is nobody else's: another %s", async (_, other) => {
    const { cache, sts } = startCache();
    cache.restore([restored(READER)]);

    expect(await ask(cache, other)).not.toMatchObject({ accessKeyId: "ASIARESTOREDEXAMPLE" });
    expect(sts.callsOf(other)).toBe(1);
  });

  it.each<[string, Partial<ConstructorParameters<typeof TemporaryCredentials>[0]>]>([
    ["an empty secret", { secretAccessKey: "" }],
    ["a token that JSON would escape", { sessionToken: 'a"b' }],
    ["an expiration in two years", { expiration: new Date("2028-11-02T12:00:00Z") }],
  ])("with %s is not served", async (_, change) => {
    const { cache, sts } = startCache();
    const { secretAccessKey, sessionToken, accessKeyId, expiration, issuedAt } =
      restored(READER).credentials;
    const parts = { secretAccessKey, sessionToken, accessKeyId, expiration, issuedAt, ...change };
    cache.restore([{ ...restored(READER), credentials: new TemporaryCredentials(parts) }]);

    expect(await ask(cache, READER)).not.toMatchObject({ accessKeyId: "ASIARESTOREDEXAMPLE" });
    expect(sts.calls).toHaveLength(1);
  });

  it("signs for the session behind it when it is a hop", async () => {
    const { cache, sts } = startCache();
    const gateway = roleNamed("gateway");
    const behind = roleNamed("reader", { source: gateway });
    cache.restore([restored(gateway)]);

    await ask(cache, behind);

    expect(sts.calls.map(({ signer }) => signer.accessKeyId)).toEqual(["ASIARESTOREDEXAMPLE"]);
  });

  it("outlives a reload that does not know yet who will want it", async () => {
    const { cache, sts } = startCache();
    cache.restore([restored(READER)]);

    cache.retain([roleNamed("other")]);

    expect(await ask(cache, READER)).toMatchObject({ accessKeyId: "ASIARESTOREDEXAMPLE" });
    expect(sts.calls).toEqual([]);
  });

  it("is forgotten with those that nobody has wanted", async () => {
    const { cache, sts } = startCache();
    cache.restore([restored(READER)]);

    cache.restore([]);
    await ask(cache, READER);

    expect(sts.calls).toHaveLength(1);
  });

  it("is never in the place of one that was obtained here", async () => {
    const { cache, sts } = startCache();
    sts.answer = () => Promise.resolve(generation(7));
    await ask(cache, READER);

    cache.restore([restored(READER)]);

    expect(await ask(cache, READER)).toMatchObject({ accessKeyId: "ASIA00000007EXAMPLE" });
  });

  it("lapses like any other when nobody asks for it any more", async () => {
    const { cache, events } = startCache();
    cache.restore([restored(READER)]);
    await ask(cache, READER);

    await pass(2 * HOUR);

    expect(events.map(({ type }) => type)).toContain("lapsed");
  });

  it("has expired when a laptop has slept over it", async () => {
    const { cache, sts } = startCache();
    cache.restore([restored(READER)]);
    await ask(cache, READER);

    jump(HOUR);
    await ask(cache, READER);

    expect(sts.calls).toHaveLength(1);
  });
});
