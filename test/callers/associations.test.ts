import { describe, expect, it } from "vitest";
import { roleFor } from "../../src/callers/associations.ts";
import type { OwnerAnnotations } from "../../src/callers/associations.ts";
import { podOf, READER, rulesOf } from "./pod-support.ts";

const APP = "arn:aws:iam::111122223333:role/app";

function owners(fields: Partial<OwnerAnnotations> = {}): OwnerAnnotations {
  return { serviceAccount: {}, namespace: {}, ...fields };
}

function decide(rules: string, pod = podOf(), by = owners()) {
  const { role, ...why } = roleFor(pod, rulesOf(rules), by);
  return { arn: role?.arn, role, ...why };
}

/** A pod with a role in one annotation, and what is in others. */
const wanting =
  (annotation: string) =>
  (role: string, more = {}) =>
    podOf({ annotations: { [annotation]: role, ...more } });

const saidByNamespace = (annotation: string) => (value: string) =>
  owners({ namespace: { [annotation]: value } });

const ofServiceAccount = (arn: string) =>
  owners({ serviceAccount: { "eks.amazonaws.com/role-arn": arn } });

describe("associations", () => {
  const rules = `
associations:
  - { namespace: team-a, serviceAccount: reader, role: reader }
  - { namespace: "team-*", serviceAccount: "*", role: writer }
`;

  it.each([
    ["team-a", "reader", "reader"],
    ["team-a", "other", "writer"],
    ["team-b", "reader", "writer"],
    ["xteam-a", "reader", undefined],
    ["team", "reader", undefined],
  ])("give %s/%s the role %s: whole names, and the first that fits", (namespace, account, name) => {
    const pod = podOf({ namespace, serviceAccount: account });

    expect(decide(rules, pod).role?.name).toBe(name);
  });

  it("are not changed by any annotation", () => {
    const annotations = { "crossrole.dev/role": "writer", "iam.amazonaws.com/role": APP };
    const more = `${rules}kubernetes: { annotations: { crossrole: { roles: ["*"] } } }`;

    expect(decide(more, podOf({ annotations })).arn).toBe(READER);
  });

  it("leave nobody with a default: who fits none gets nothing, with the reason", () => {
    expect(decide(rules, podOf({ namespace: "other" }))).toMatchObject({
      arn: undefined,
      reason: expect.stringContaining("no association fits service account other/reader"),
      trail: ["associations[0] does not fit", "associations[1] does not fit"],
    });
  });
});

describe("crossrole.dev/role", () => {
  const rules = `kubernetes: { annotations: { crossrole: { roles: ["read*"] } } }`;
  const wants = wanting("crossrole.dev/role");

  it("is not looked at unless the configuration says so", () => {
    expect(decide("", wants("reader")).arn).toBeUndefined();
  });

  it("gives a role that the configuration allows", () => {
    expect(decide(rules, wants("reader")).arn).toBe(READER);
  });

  it.each(["writer", "arn:aws:iam::333333333333:role/other", "nonsense"])(
    "never gives what neither the configuration nor the namespace allows: %s",
    (role) => {
      expect(decide(rules, wants(role)).arn).toBeUndefined();
    },
  );

  it.each([
    ["*-reader", "arn:aws:iam::999999999999:role/prod-reader", false],
    ["*:role/prod-*", "arn:aws:iam::999999999999:role/prod-reader", false],
    ["arn:*-reader", "arn:aws:iam::999999999999:role/prod-reader", true],
    ["*", "arn:aws:iam::999999999999:role/prod-reader", true],
    ["*", "writer", true],
    ["*r", "writer", true],
    ["arn:aws:iam::333333333333:role/*", "writer", true],
  ])("a pattern for names is none for ARNs: %s allows %s: %s", (glob, role, isAllowed) => {
    const byConfig = `kubernetes: { annotations: { crossrole: { roles: ["${glob}"] } } }`;
    const namespace = { "crossrole.dev/allowed-roles": JSON.stringify([glob]) };
    const byNamespace = `kubernetes: { annotations: { crossrole: { roles: ["none"] } } }`;

    expect(decide(byConfig, wants(role)).role !== undefined).toBe(isAllowed);
    expect(decide(byNamespace, wants(role), owners({ namespace })).role !== undefined).toBe(
      isAllowed,
    );
  });

  it("gives what the namespace allows, by name or by ARN", () => {
    const namespace = {
      "crossrole.dev/allowed-roles": '["writer", "arn:aws:iam::1111*:role/app"]',
    };

    expect(decide(rules, wants("writer"), owners({ namespace })).role?.name).toBe("writer");
    expect(decide(rules, wants(APP), owners({ namespace })).arn).toBe(APP);
  });

  it.each(["writer", "{}", '["writer"', '[{"a":1}]', ""])(
    "is refused where the namespace's list is none: %s",
    (list) => {
      const namespace = { "crossrole.dev/allowed-roles": list };

      expect(decide(rules, wants("writer"), owners({ namespace })).arn).toBeUndefined();
    },
  );

  it.each([
    ["externalId", { externalId: "7f2c" }],
    ["sourceIdentity", { sourceIdentity: "who" }],
    ["sessionTags", { sessionTags: { team: "a" } }],
    ["via[0].externalId", { via: [{ arn: APP, externalId: "7f2c" }] }],
  ])("never gives a role without its %s, which a pod's token cannot carry", (setting, more) => {
    const all = rulesOf(rules);
    const reader = all.roles.get("reader");
    if (reader === undefined) throw new TypeError("it is there");
    const give = (role: object) =>
      roleFor(
        wants("reader"),
        { ...all, roles: new Map([["reader", { ...reader, ...role }]]) },
        owners(),
      );

    expect(give(more)).toMatchObject({
      role: undefined,
      reason: expect.stringContaining(`which has ${setting}: a pod's own token assumes it first`),
    });
    expect(give({ ...more, namesBase: true }).role?.name).toBe("reader");
    expect(give({ ...more, via: [{ arn: APP }] }).role?.name).toBe("reader");
  });

  it("on the pod goes before the one on its service account, and is not passed over for it", () => {
    const serviceAccount = { "crossrole.dev/role": "reader" };

    expect(decide(rules, podOf(), owners({ serviceAccount })).arn).toBe(READER);
    expect(decide(rules, wants("writer"), owners({ serviceAccount })).arn).toBeUndefined();
  });
});

describe("IRSA's annotation", () => {
  const rules = `kubernetes: { annotations: { irsa: { roles: ["arn:aws:iam::111122223333:role/*"] } } }`;

  it("gives the role of the service account, by the name in its ARN", () => {
    expect(decide(rules, podOf(), ofServiceAccount(APP)).role).toMatchObject({
      arn: APP,
      name: "app",
      via: [],
    });
  });

  it.each([
    "arn:aws:iam::999999999999:role/app",
    "xarn:aws:iam::111122223333:role/app",
    "arn:aws:iam::111122223333:user/app",
  ])("never gives what the configuration does not allow: %s", (arn) => {
    expect(decide(rules, podOf(), ofServiceAccount(arn)).arn).toBeUndefined();
  });

  it("on a pod means nothing", () => {
    const annotations = { "eks.amazonaws.com/role-arn": APP };

    expect(decide(rules, podOf({ annotations })).arn).toBeUndefined();
  });
});

describe("kube2iam's annotations", () => {
  const rules = `kubernetes: { annotations: { kube2iam: { baseRoleArn: "arn:aws:iam::111122223333:role/" } } }`;
  const wants = wanting("iam.amazonaws.com/role");
  const allows = saidByNamespace("iam.amazonaws.com/allowed-roles");

  it.each(["app", "/app", APP])("give %s behind the base ARN, as the namespace allows", (role) => {
    expect(decide(rules, wants(role), allows('["arn:aws:iam::111122223333:role/app"]')).arn).toBe(
      APP,
    );
    expect(decide(rules, wants(role), allows('["*role/a?p"]')).arn).toBe(APP);
  });

  it.each(['["arn:aws:iam::111122223333:role/ap"]', '["role/app"]', "[]", ".*"])(
    "give nothing that the namespace does not allow: %s",
    (list) => {
      expect(decide(rules, wants("app"), allows(list)).arn).toBeUndefined();
    },
  );

  it.each([
    ["longer than 8 KiB", ["app", "x".repeat(8_192)]],
    ["more than 200 patterns", ["app", ...Array.from({ length: 200 }, () => "x")]],
    ["more than 200 patterns, or one of more than 2048", ["app", "x".repeat(2_049)]],
  ])("give nothing by a list that is out of all proportion: %s", (why, list) => {
    expect(decide(rules, wants("app"), allows(JSON.stringify(list)))).toMatchObject({
      arn: undefined,
      reason: expect.stringContaining(why),
    });
  });

  it("are permitted by a pattern that fits the end of the ARN, as in kube2iam", () => {
    expect(decide(rules, wants(APP), allows('["*role/app"]')).arn).toBe(APP);
  });

  it("give nothing in a namespace that says nothing", () => {
    expect(decide(rules, wants("app")).arn).toBeUndefined();
  });

  it("send an external id where a role can assume it, and are refused where none can", () => {
    const more = { "iam.amazonaws.com/external-id": "7f2c" };
    const byHub = rules.replace("kube2iam: {", "kube2iam: { base: hub,");

    expect(decide(byHub, wants("app", more), allows('["*"]')).role).toMatchObject({
      externalId: "7f2c",
      namesBase: true,
    });
    expect(decide(rules, wants("app", more), allows('["*"]'))).toMatchObject({
      arn: undefined,
      reason: expect.stringContaining("set via or base"),
    });
  });
});

describe("kiam's annotations", () => {
  const rules = `kubernetes: { annotations: { kiam: { baseRoleArn: "arn:aws:iam::111122223333:role/", base: hub } } }`;
  const wants = wanting("iam.amazonaws.com/role");
  const permits = saidByNamespace("iam.amazonaws.com/permitted");

  it.each([".*", "arn:aws:iam::111122223333:role/app", "a.p", "(app|web)"])(
    "give what the namespace's expression permits as a whole: %s",
    (pattern) => {
      expect(decide(rules, wants("app"), permits(pattern)).arn).toBe(APP);
    },
  );

  it.each(["", "ap", "role/app", "app$|nothing(", "dev)|(.*", "(?=a)app", "x".repeat(2_000)])(
    "give nothing by a part of the ARN, a broken expression, or one that is not supported: %s",
    (pattern) => {
      expect(decide(rules, wants("app"), permits(pattern)).arn).toBeUndefined();
    },
  );

  it("permit by a part of the ARN where the configuration asks for kiam's old way", () => {
    expect(
      decide(
        rules.replace("base: hub", "base: hub, unanchored: true"),
        wants("app"),
        permits("role/app"),
      ).arn,
    ).toBe(APP);
  });

  it("carry the session name and the external id", () => {
    const more = {
      "iam.amazonaws.com/session-name": "nightly",
      "iam.amazonaws.com/external-id": "7f2c",
    };

    expect(decide(rules, wants("app", more), permits(".*")).role).toMatchObject({
      sessionName: "nightly",
      externalId: "7f2c",
    });
  });

  it("with a malformed session name give nothing", () => {
    const more = { "iam.amazonaws.com/session-name": "a b" };

    expect(decide(rules, wants("app", more), permits(".*")).arn).toBeUndefined();
  });
});
