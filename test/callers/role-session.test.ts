import { describe, expect, it } from "vitest";
import { roleSessionOf } from "../../src/callers/role-session.ts";
import type { Role } from "../../src/config/types.ts";
import { sessionKey } from "../../src/credentials/session-key.ts";
import type { RoleSession } from "../../src/credentials/types.ts";

const GATEWAY = "arn:aws:iam::111111111111:role/gateway";
const TRANSIT = "arn:aws:iam::333333333333:role/transit";

function roleOf(fields: Partial<Role> = {}): Role {
  return {
    name: "orders-reader",
    arn: "arn:aws:iam::222222222222:role/orders-reader",
    base: { kind: "base", name: "default", provider: { kind: "default" }, region: "eu-west-1" },
    namesBase: false,
    via: [],
    region: "eu-west-1",
    sessionName: "{role}-{hostname}",
    durationSeconds: 3_600,
    sessionTags: {},
    transitiveTagKeys: [],
    policyArns: [],
    imdsV1: false,
    ...fields,
  };
}

const names = { hostname: "laptop" };

function sourceOf({ source }: RoleSession): RoleSession {
  if (source.kind !== "role") throw new TypeError("it is assumed by no other role");
  return source;
}

describe("the session of a role", () => {
  it("is assumed by the base when there is no hop", () => {
    const role = roleOf();

    expect(roleSessionOf(role, names)).toMatchObject({
      kind: "role",
      source: role.base,
      roleArn: role.arn,
      sessionName: "orders-reader-laptop",
    });
  });

  it("carries everything that the configuration says of the role", () => {
    const said = {
      region: "eu-west-2",
      externalId: "7f2c",
      durationSeconds: 1_800,
      sessionTags: { team: "orders" },
      transitiveTagKeys: ["team"],
      sourceIdentity: "orders",
      policyArns: ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
      policy: '{"Statement":[]}',
    };

    expect(roleSessionOf(roleOf(said), names)).toMatchObject(said);
  });

  it("is assumed through every hop, in order, each with its own external id", () => {
    const via = [{ arn: GATEWAY, externalId: "gate" }, { arn: TRANSIT }];
    const role = roleOf({ via });

    const session = roleSessionOf(role, names);
    const transit = sourceOf(session);
    const gateway = sourceOf(transit);

    expect(session.externalId).toBeUndefined();
    expect(transit).toMatchObject({ roleArn: TRANSIT, externalId: undefined });
    expect(gateway).toMatchObject({ roleArn: GATEWAY, externalId: "gate", source: role.base });
  });

  it("leaves a hop's session without what belongs to the role alone", () => {
    const role = roleOf({
      via: [{ arn: GATEWAY }],
      externalId: "7f2c",
      durationSeconds: 1_800,
      sessionTags: { team: "orders" },
      transitiveTagKeys: ["team"],
      sourceIdentity: "orders",
      policy: '{"Statement":[]}',
    });

    expect(sourceOf(roleSessionOf(role, names))).toEqual({
      kind: "role",
      source: role.base,
      roleArn: GATEWAY,
      externalId: undefined,
      sessionName: "crossrole-laptop",
      durationSeconds: 3_600,
      region: "eu-west-1",
      sessionTags: {},
      transitiveTagKeys: [],
      policyArns: [],
    });
  });
});

describe("a hop", () => {
  const via = [{ arn: GATEWAY, externalId: "gate" }];
  const hopOf = (fields: Partial<Role>) =>
    sessionKey(sourceOf(roleSessionOf(roleOf({ via, ...fields }), names)));

  it("is one session for all roles behind it, however they differ", () => {
    const other = {
      name: "invoices",
      arn: "arn:aws:iam::444444444444:role/invoices",
      sessionName: "{role}",
      externalId: "other",
      durationSeconds: 1_800,
      sessionTags: { team: "finance" },
      sourceIdentity: "finance",
    };

    expect(hopOf(other)).toBe(hopOf({}));
  });

  it("is another one with another external id, base or region", () => {
    const base = { ...roleOf().base, name: "hub" };

    expect(hopOf({ via: [{ arn: GATEWAY, externalId: "else" }] })).not.toBe(hopOf({}));
    expect(hopOf({ base })).not.toBe(hopOf({}));
    expect(hopOf({ region: "eu-west-2" })).not.toBe(hopOf({}));
  });
});
