import { CrossroleError } from "../../src/errors.ts";
import { describe, expect, it } from "vitest";
import {
  HOLD,
  MINUTE,
  SECOND,
  accessKeyIdOf,
  ask,
  generation,
  jump,
  pass,
  roleNamed,
  roleSession,
  settle,
  startCache,
  useStoppedClocks,
} from "./support.ts";

const ROLE = roleSession();
const CALLERS = 1_000;

describe("promise 2: one STS call per role session and period", () => {
  useStoppedClocks();

  it("asks STS once for 1000 callers at once, and gives them the same generation", async () => {
    const { cache, sts, base } = startCache();
    sts.answerAfter(200);
    const answers = Array.from({ length: CALLERS }, () => ask(cache, ROLE));
    await pass(200);
    const given = new Set(await Promise.all(answers));
    expect(given.size).toBe(1);
    expect([...given]).toMatchObject([{ accessKeyId: accessKeyIdOf(1) }]);
    expect(sts.calls).toHaveLength(1);
    expect(base.loads).toHaveLength(1);
  });

  it("asks STS once for 1000 callers who say the same in other objects", async () => {
    const { cache, sts } = startCache();
    await Promise.all(
      Array.from({ length: CALLERS }, () =>
        ask(cache, roleSession({ sessionTags: {}, externalId: undefined })),
      ),
    );
    expect(sts.calls).toHaveLength(1);
  });

  it("asks STS once for 1000 callers during a renewal", async () => {
    const { cache, sts } = startCache();
    await cache.get(ROLE, HOLD);
    sts.answerAfter(5 * SECOND);
    await pass(30 * MINUTE);
    await Promise.all(Array.from({ length: CALLERS }, () => ask(cache, ROLE)));
    await pass(5 * SECOND);
    expect(sts.calls).toHaveLength(2);
  });

  it("asks STS once for 1000 callers when it fails, and tells all of them why", async () => {
    const { cache, sts } = startCache();
    sts.failWith("ERR_ROLE_DENIED");
    const answers = Array.from({ length: CALLERS }, () => ask(cache, ROLE));
    expect(new Set(await Promise.all(answers))).toEqual(new Set(["ERR_ROLE_DENIED"]));
    expect(sts.calls).toHaveLength(1);
  });

  it("asks STS twice an hour for a session that is asked for all the time", async () => {
    const { cache, sts } = startCache();
    for (let minute = 0; minute < 240; minute++) {
      await ask(cache, ROLE);
      await pass(MINUTE);
    }
    expect(sts.calls.length).toBeLessThanOrEqual(1 + 8);
  });

  it("answers ERR_CREDENTIALS_PENDING to who has waited for holdMs", async () => {
    const { cache, sts } = startCache();
    sts.answerAfter(2 * SECOND);
    const answers: unknown[] = [];
    void ask(cache, ROLE).then((answer) => answers.push(answer));
    await pass(399);
    expect(answers).toEqual([]);
    await pass(1);
    expect(answers).toEqual(["ERR_CREDENTIALS_PENDING"]);
  });

  it("goes on with the call when the first caller has given up", async () => {
    const { cache, sts } = startCache();
    sts.answerAfter(2 * SECOND);
    const first = ask(cache, ROLE);
    await pass(SECOND);
    expect(await first).toBe("ERR_CREDENTIALS_PENDING");
    expect(sts.calls[0]?.signal.aborted).toBe(false);
    const second = ask(cache, ROLE, { holdMs: 10 * SECOND });
    await pass(SECOND);
    expect(await second).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
    expect(sts.calls).toHaveLength(1);
  });

  it("keeps what arrives after every caller has given up", async () => {
    const { cache, sts } = startCache();
    sts.answerAfter(2 * SECOND);
    const first = ask(cache, ROLE);
    await pass(2 * SECOND);
    await first;
    expect(cache.get(ROLE, HOLD)).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
  });

  it("waits for STS as long as it takes for a caller who has all the time", async () => {
    const { cache, sts } = startCache();
    sts.answerAfter(9 * SECOND);
    const patient = ask(cache, ROLE, { holdMs: Infinity });
    await pass(9 * SECOND);
    expect(await patient).toMatchObject({ accessKeyId: accessKeyIdOf(1) });
  });
});

describe("promise 3: no answer mixes two generations", () => {
  useStoppedClocks();

  it("answers one object of one generation, whatever arrives meanwhile", async () => {
    const { cache } = startCache();
    const first = await cache.get(ROLE, HOLD);
    await pass(30 * MINUTE);
    const second = await cache.get(ROLE, HOLD);
    const serials = [first, second].map(({ accessKeyId, secretAccessKey, sessionToken }) => [
      accessKeyId,
      secretAccessKey,
      sessionToken,
    ]);
    expect(serials).toEqual([
      [accessKeyIdOf(1), "secret/1", "token/1"],
      [accessKeyIdOf(2), "secret/2", "token/2"],
    ]);
  });

  it("ignores the answer of an attempt that was given up", async () => {
    const { cache, sts } = startCache();
    const late = Promise.withResolvers<Awaited<ReturnType<typeof sts.issue>>>();
    sts.answer = () => late.promise;
    const first = ask(cache, ROLE, { holdMs: MINUTE });
    await pass(10 * SECOND);
    expect(await first).toBe("ERR_STS_UNAVAILABLE");
    sts.recover();
    await pass(2 * SECOND);
    const held = await cache.get(ROLE, HOLD);
    late.resolve(generation(99));
    await settle();
    expect(await ask(cache, ROLE)).toBe(held);
  });
});

describe("promise 4: a token bucket bounds the calls to STS", () => {
  useStoppedClocks();
  const ROLES = Array.from({ length: 100 }, (_, index) => roleNamed(`reader-${index}`));

  it("starts 20 calls at once and 10 a second from then on, over all sessions", async () => {
    const { cache, sts } = startCache();
    const answers = ROLES.map((role) => ask(cache, role, { holdMs: MINUTE }));
    await settle();
    expect(sts.calls).toHaveLength(20);
    await pass(SECOND);
    expect(sts.calls).toHaveLength(30);
    await pass(7 * SECOND);
    expect(sts.calls).toHaveLength(100);
    expect((await Promise.all(answers)).filter((answer) => typeof answer === "string")).toEqual([]);
  });

  it("lets a first use pass the renewals that have waited longer", async () => {
    const { cache, sts } = startCache({ callsPerSecond: 1, burst: 1 });
    const held = ROLES.slice(0, 3);
    const filled = held.map((role) => ask(cache, role, { holdMs: MINUTE }));
    await pass(5 * SECOND);
    await Promise.all(filled);
    jump(40 * MINUTE);
    for (const role of held) await ask(cache, role);
    const newcomer = roleNamed("newcomer");
    const first = ask(cache, newcomer, { holdMs: MINUTE });
    await pass(SECOND);
    expect(await first).not.toBe("ERR_CREDENTIALS_PENDING");
    const renewed = sts.calls.slice(held.length).map(({ session }) => session);
    expect(renewed).toEqual([held[0], newcomer]);
  });

  it("lets a first use pass the retries of a role that is refused and that nobody asks for", async () => {
    const { cache, sts } = startCache({ burst: 1, callsPerSecond: 0.01 });
    const refused = roleNamed("refused");
    sts.answer = () => Promise.reject(new CrossroleError("ERR_ROLE_DENIED", "AccessDenied"));
    expect(await ask(cache, refused)).toBe("ERR_ROLE_DENIED");
    await pass(3 * SECOND);
    sts.answer = (call) => Promise.resolve(sts.issue(call));
    const wanted = roleNamed("wanted");
    const first = ask(cache, wanted);
    await pass(100 * SECOND);
    await first;
    expect(sts.calls.map(({ session }) => session)).toEqual([refused, wanted]);
  });

  it("does not spend the budget on bases that ask no STS", async () => {
    const { cache, sts } = startCache({ callsPerSecond: 1, burst: 1 });
    await cache.get(ROLE, HOLD);
    expect(sts.calls).toHaveLength(1);
  });

  it("spends the budget on a web-identity base, whose load is a call to STS", async () => {
    const { cache, sts, base } = startCache({ callsPerSecond: 1, burst: 1 });
    const provider = {
      kind: "webIdentity",
      tokenFile: "/var/run/secrets/token",
      roleArn: "arn:aws:iam::111111111111:role/gateway",
      sessionName: "crossrole",
      durationSeconds: 3600,
    } as const;
    const session = roleSession({
      source: { kind: "base", name: "pod", provider, region: "eu-west-1" },
    });
    const answer = ask(cache, session, { holdMs: MINUTE });
    await settle();
    expect([base.loads.length, sts.calls.length]).toEqual([1, 0]);
    await pass(SECOND);
    expect([base.loads.length, sts.calls.length]).toEqual([1, 1]);
    await answer;
  });
});
