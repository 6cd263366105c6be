import { describe, expect, it } from "vitest";
import { sessionKey } from "../../src/credentials/session-key.ts";
import type {
  BaseCredentials,
  BaseProvider,
  CredentialSource,
  RoleSession,
} from "../../src/credentials/types.ts";
import { BASE, HOLD, roleSession, startCache, useStoppedClocks } from "./support.ts";

/** A session that says something in every field. */
const FULL: Required<RoleSession> = {
  kind: "role",
  source: BASE,
  roleArn: "arn:aws:iam::222222222222:role/orders-reader",
  sessionName: "orders",
  durationSeconds: 3600,
  region: "eu-west-1",
  externalId: "7f2c",
  sessionTags: { team: "orders", stage: "live" },
  transitiveTagKeys: ["team", "stage"],
  sourceIdentity: "orders",
  policyArns: [
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
    "arn:aws:iam::aws:policy/AmazonS3FullAccess",
  ],
  policy: '{"Version":"2012-10-17","Statement":[]}',
};

// The types below are the guard: a new field does not compile until it has a case here. A `kind` is
// told apart by the other fields.
type Changes<T> = { readonly [Field in Exclude<keyof T, "kind">]-?: readonly T[Field][] };

const ROLE_CHANGES: Changes<RoleSession> = {
  source: [{ ...BASE, name: "spoke" }, roleSession({ externalId: "gateway" })],
  roleArn: ["arn:aws:iam::222222222222:role/orders-writer"],
  sessionName: ["orders-2", "Orders"],
  durationSeconds: [1800],
  region: ["eu-west-2"],
  externalId: [undefined, "", "7f2d"],
  sessionTags: [
    {},
    { team: "orders" },
    { team: "orders", stage: "test" },
    { team: "live", stage: "orders" },
    { team: "orders", stages: "live" },
  ],
  transitiveTagKeys: [[], ["team"], ["team,stage"]],
  sourceIdentity: [undefined, "", "billing"],
  policyArns: [[], ["arn:aws:iam::aws:policy/ReadOnlyAccess"]],
  policy: [undefined, "", '{"Version":"2012-10-17","Statement":[{}]}'],
};

const BASE_CHANGES: Changes<BaseCredentials> = {
  name: ["spoke"],
  provider: [{ kind: "default" }],
  region: ["us-east-1"],
};

const WEB_IDENTITY = {
  kind: "webIdentity",
  tokenFile: "/var/run/secrets/token",
  roleArn: "arn:aws:iam::111111111111:role/gateway",
  sessionName: "crossrole",
  durationSeconds: 3600,
} as const satisfies BaseProvider;

const PROVIDERS: readonly BaseProvider[] = [
  { kind: "default" },
  { kind: "environment" },
  { kind: "container" },
  { kind: "instance" },
  { kind: "profile", profile: "hub" },
  { kind: "profile", profile: "spoke" },
  { kind: "process", command: "hub" },
  { kind: "process", command: "spoke" },
  WEB_IDENTITY,
  { ...WEB_IDENTITY, tokenFile: "/var/run/secrets/other" },
  { ...WEB_IDENTITY, roleArn: "arn:aws:iam::111111111111:role/other" },
  { ...WEB_IDENTITY, sessionName: "other" },
  { ...WEB_IDENTITY, durationSeconds: 1800 },
];

function variants<T extends object>(original: T, changes: Changes<T>) {
  return Object.entries<readonly unknown[]>(changes).flatMap(([field, values]) =>
    values.map((value) => ({ field, value, changed: { ...original, [field]: value } })),
  );
}

/** The key of a session that `source` signs. */
function keyBehind(source: CredentialSource): string {
  return sessionKey(roleSession({ source }));
}

const ROLE_VARIANTS = variants(FULL, ROLE_CHANGES);
const BASE_VARIANTS = variants(BASE, BASE_CHANGES);

describe("promise 6: the key is every input of the assumption", () => {
  useStoppedClocks();

  it.each(ROLE_VARIANTS)("tells sessions apart by $field ($value)", ({ changed }) => {
    expect(sessionKey(changed)).not.toBe(sessionKey(FULL));
  });

  it.each(BASE_VARIANTS)("tells bases apart by $field ($value)", ({ changed }) => {
    expect(sessionKey(changed)).not.toBe(sessionKey(BASE));
  });

  it.each(ROLE_VARIANTS)("tells hops on the way apart by $field ($value)", ({ changed }) => {
    expect(keyBehind(changed)).not.toBe(keyBehind(FULL));
  });

  it.each(BASE_VARIANTS)("tells sessions apart by their base's $field ($value)", ({ changed }) => {
    expect(keyBehind(changed)).not.toBe(keyBehind(BASE));
  });

  it("tells providers apart by every one of their fields", () => {
    const keys = PROVIDERS.map((provider) => sessionKey({ ...BASE, provider }));
    expect(new Set(keys).size).toBe(PROVIDERS.length);
  });

  it("gives no two of all these variants the same key", () => {
    const changed = [...ROLE_VARIANTS, ...BASE_VARIANTS].map((variant) =>
      sessionKey(variant.changed),
    );
    const keys = [sessionKey(FULL), sessionKey(BASE), ...changed];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("does not depend on the order of tags, transitive keys, policy ARNs and fields", () => {
    const shuffled: RoleSession = {
      ...Object.fromEntries(Object.entries(FULL).toReversed()),
      ...FULL,
      source: { region: "eu-west-1", provider: { kind: "environment" }, name: "hub", kind: "base" },
      sessionTags: { stage: "live", team: "orders" },
      transitiveTagKeys: ["stage", "team"],
      policyArns: FULL.policyArns.toReversed(),
    };
    expect(sessionKey(shuffled)).toBe(sessionKey(FULL));
  });

  it("does not tell an absent field from an undefined one", () => {
    const spelledOut = roleSession({
      externalId: undefined,
      sourceIdentity: undefined,
      policy: undefined,
    });
    expect(sessionKey(spelledOut)).toBe(sessionKey(roleSession()));
  });

  it("survives values that look like a piece of a key", () => {
    const a = roleSession({ sessionName: 'a","region":"x', region: "y" });
    const b = roleSession({ sessionName: "a", region: 'x","y' });
    const tags = roleSession({ sessionTags: { a: '"],["b","c' } });
    const more = roleSession({ sessionTags: { a: "", b: "c" } });
    expect(new Set([a, b, tags, more].map((session) => sessionKey(session))).size).toBe(4);
  });

  it.each(ROLE_VARIANTS)(
    "gives a caller with another $field ($value) credentials of its own",
    async ({ changed }) => {
      const { cache, sts } = startCache();
      const right = await cache.get(FULL, HOLD);
      const other = await cache.get(changed, HOLD);
      expect(other.accessKeyId).not.toBe(right.accessKeyId);
      expect(sts.calls.map(({ session }) => session)).toEqual(
        expect.arrayContaining([FULL, changed]),
      );
      cache.close();
    },
  );
});
