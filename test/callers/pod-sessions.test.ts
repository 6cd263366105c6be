import { beforeEach, describe, expect, it } from "vitest";
import type { OwnerAnnotations } from "../../src/callers/associations.ts";
import { PodSessions } from "../../src/callers/pod-sessions.ts";
import type { CallerSession } from "../../src/callers/types.ts";
import { CrossroleError } from "../../src/errors.ts";
import { podOf, READER, rulesOf } from "./pod-support.ts";

const APP = "arn:aws:iam::111122223333:role/app";
const IRSA = rulesOf(`
kubernetes: { annotations: { irsa: { roles: ["arn:aws:iam::111122223333:role/*"] } } }`);
const ASSOCIATED = rulesOf(`
associations: [{ namespace: team-a, serviceAccount: reader, role: reader }]`);

let nowMs: number;
let owners: OwnerAnnotations;
let failure: CrossroleError | undefined;
let readings: number;
let rules: ReturnType<typeof rulesOf>;

beforeEach(() => {
  nowMs = readings = 0;
  owners = { serviceAccount: { "eks.amazonaws.com/role-arn": APP }, namespace: {} };
  failure = undefined;
  rules = IRSA;
});

function sessions(): PodSessions {
  return new PodSessions({
    rules: () => rules,
    ownerAnnotations: () => {
      readings++;
      return failure === undefined ? Promise.resolve(owners) : Promise.reject(failure);
    },
    hostname: "host",
    node: "n1",
    monotonicMs: () => nowMs,
  });
}

function arnOf(caller: CallerSession | Promise<CallerSession>): string | Promise<string> {
  return caller instanceof Promise
    ? caller.then(({ session }) => session.roleArn)
    : caller.session.roleArn;
}

/** What was decided in the background has been taken in. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the session of a pod", () => {
  it("by an association is there at once, and is the same object until something changes", () => {
    rules = ASSOCIATED;
    const all = sessions();
    const pod = podOf();

    expect(all.sessionFor(pod)).toBe(all.sessionFor(pod));
    expect(arnOf(all.sessionFor(pod))).toBe(READER);
  });

  it("is bound to the pod's UID, and has its names", () => {
    rules = ASSOCIATED;

    expect(sessions().sessionFor(podOf())).toMatchObject({
      caller: "pod:uid-1",
      roleName: "reader",
      session: { sessionName: "team-a.reader.web-1", source: { kind: "pod", uid: "uid-1" } },
    });
  });

  it("by an annotation is there at once the second time", async () => {
    const all = sessions();
    const pod = podOf();

    expect(await arnOf(all.sessionFor(pod))).toBe(APP);
    expect(arnOf(all.sessionFor(pod))).toBe(APP);
  });

  it("goes with an annotation that is taken away, half a minute later at the most", async () => {
    const all = sessions();
    const pod = podOf();
    await all.sessionFor(pod);
    owners = { serviceAccount: {}, namespace: {} };

    nowMs = 30_001;
    expect(arnOf(all.sessionFor(pod))).toBe(APP);
    await settled();

    await expect(all.sessionFor(pod)).rejects.toMatchObject({ code: "ERR_ROLE_UNASSOCIATED" });
    expect(all.sessions()).toEqual([]);
  });

  it("stands while annotations cannot be read, also when the pod's status has changed", async () => {
    const all = sessions();
    await all.sessionFor(podOf());
    failure = new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", "away");

    nowMs = 60_000;

    expect(await arnOf(all.sessionFor(podOf()))).toBe(APP);
  });

  it("goes with an annotation that was taken away while it could not be read", async () => {
    const all = sessions();
    const pod = podOf();
    await all.sessionFor(pod);
    failure = new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", "away");
    nowMs = 30_001;
    void all.sessionFor(pod);
    await settled();

    failure = undefined;
    owners = { serviceAccount: {}, namespace: {} };
    void all.sessionFor(pod);
    await settled();

    await expect(all.sessionFor(pod)).rejects.toMatchObject({ code: "ERR_ROLE_UNASSOCIATED" });
  });

  it("goes with an annotation that was taken away though nobody asks", async () => {
    const all = sessions();
    const pod = podOf();
    await all.sessionFor(pod);
    owners = { serviceAccount: {}, namespace: {} };

    nowMs = 30_000;
    all.refresh(() => pod);
    await settled();
    expect(all.sessions()).toHaveLength(1);

    nowMs = 30_001;
    all.refresh(() => pod);
    await settled();

    expect(all.sessions()).toEqual([]);
    expect(all.retain(() => true)).toBe(true);
    expect(all.retain(() => true)).toBe(false);
  });

  it("goes with the rule that gave it though nobody asks", () => {
    rules = ASSOCIATED;
    const all = sessions();
    const pod = podOf();
    void all.sessionFor(pod);

    rules = rulesOf("");
    all.refresh(() => pod);

    expect(all.sessions()).toEqual([]);
  });

  it("changes with the pod's own annotation though nobody asks", async () => {
    rules = rulesOf(`
kubernetes: { annotations: { crossrole: { roles: ["reader", "writer"] } } }`);
    owners = { serviceAccount: {}, namespace: {} };
    const all = sessions();
    await all.sessionFor(podOf({ annotations: { "crossrole.dev/role": "reader" } }));

    all.refresh(() => podOf({ annotations: { "crossrole.dev/role": "writer" } }));
    await settled();

    expect(all.sessions().map(({ roleArn }) => roleArn)).toEqual([
      "arn:aws:iam::333333333333:role/writer",
    ]);
    expect(all.retain(() => true)).toBe(true);
  });

  it("that is refused is refused for 5 s without another look", async () => {
    owners = { serviceAccount: {}, namespace: {} };
    const all = sessions();
    const pod = podOf();
    const refusal = { code: "ERR_ROLE_UNASSOCIATED" };
    await expect(all.sessionFor(pod)).rejects.toMatchObject(refusal);

    nowMs = 5_000;
    await expect(all.sessionFor(pod)).rejects.toMatchObject(refusal);
    expect(readings).toBe(1);

    owners = { serviceAccount: { "eks.amazonaws.com/role-arn": APP }, namespace: {} };
    expect(await arnOf(all.sessionFor(podOf()))).toBe(APP);
    nowMs = 5_001;
    expect(await arnOf(all.sessionFor(pod))).toBe(APP);
  });

  it("of a pod that was never decided is not had while annotations cannot be read", async () => {
    failure = new CrossroleError("ERR_KUBERNETES_UNAVAILABLE", "away");

    await expect(sessions().sessionFor(podOf())).rejects.toMatchObject({
      code: "ERR_KUBERNETES_UNAVAILABLE",
    });
  });

  it("follows the configuration at once", () => {
    rules = ASSOCIATED;
    const all = sessions();
    const pod = podOf();
    void all.sessionFor(pod);

    rules = rulesOf("associations: [{ namespace: team-b, serviceAccount: '*', role: reader }]");

    expect(() => all.sessionFor(pod)).toThrow(/pod team-a\/web-1 gets no role/);
  });

  it("of a role with a base of the daemon's is signed by that, and shares nobody's name", () => {
    const text = `
associations: [{ namespace: team-a, serviceAccount: reader, role: hubbed }]`;
    rules = rulesOf(text.replace("hubbed", "reader"));
    const hubbed = { ...rules.roles.get("reader") } as NonNullable<
      ReturnType<typeof rules.roles.get>
    >;
    rules = { ...rules, roles: new Map([["reader", { ...hubbed, namesBase: true }]]) };

    expect(sessions().sessionFor(podOf())).toMatchObject({
      session: { sessionName: "team-a.reader.web-1", source: { kind: "base" } },
    });
  });

  it("is let go of with its pod, and is found by any step of its chain", () => {
    rules = ASSOCIATED;
    const all = sessions();
    const caller = all.sessionFor(podOf());
    void all.sessionFor(podOf({ uid: "uid-2", name: "web-2" }));
    if (caller instanceof Promise) throw new TypeError("it is there at once");

    expect(all.podsBehind(caller.session).map(({ uid }) => uid)).toEqual(["uid-1"]);
    expect(all.retain((uid) => uid === "uid-2")).toBe(true);
    expect(all.retain((uid) => uid === "uid-2")).toBe(false);
    expect(all.sessions()).toHaveLength(1);
  });
});
