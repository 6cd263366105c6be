/** @module Promise 6: two sessions share a cache key if and only if no input of theirs differs. */
import fc from "fast-check";
import { describe, expect, it, inject } from "vitest";
import { sessionKey } from "../../src/credentials/session-key.ts";
import type {
  BaseCredentials,
  BaseProvider,
  CredentialSource,
  PodIdentity,
  RoleSession,
} from "../../src/credentials/types.ts";

/** 10^5 of them in `npm run test:properties`. */
const CASES = inject("cases") ?? 10_000;

// Few values, and each with what looks like a piece of a key: most pairs differ in little.
const text = fc.constantFrom("", "a", "b", "ab", 'a","b', '"],["b"', "null", "a,b", "\u0000", "é");
const maybe = fc.option(text, { nil: undefined });
const tags = fc.dictionary(text, text, { maxKeys: 3 });
const texts = fc.uniqueArray(text, { maxLength: 3 });

const provider: fc.Arbitrary<BaseProvider> = fc.oneof(
  fc.constantFrom<BaseProvider>(
    { kind: "default" },
    { kind: "environment" },
    { kind: "container" },
    { kind: "instance" },
  ),
  text.map((profile) => ({ kind: "profile" as const, profile })),
  text.map((command) => ({ kind: "process" as const, command })),
  fc.record({
    kind: fc.constant("webIdentity" as const),
    tokenFile: text,
    roleArn: text,
    sessionName: text,
    durationSeconds: fc.constantFrom(1800, 3600),
  }),
);
const base: fc.Arbitrary<BaseCredentials> = fc.record({
  kind: fc.constant("base" as const),
  name: text,
  provider,
  region: text,
});

const pod: fc.Arbitrary<PodIdentity> = fc.record({
  kind: fc.constant("pod" as const),
  uid: text,
  namespace: text,
  serviceAccount: text,
  name: text,
});

/** The fields of a session, each with where its values come from: a new one does not compile without. */
const FIELDS: {
  readonly [Field in keyof Required<RoleSession>]: fc.Arbitrary<RoleSession[Field]>;
} = {
  kind: fc.constant("role" as const),
  source: fc.oneof(base, pod),
  roleArn: text,
  sessionName: text,
  durationSeconds: fc.constantFrom(1800, 3600, 36_000),
  region: text,
  externalId: maybe,
  sessionTags: tags,
  transitiveTagKeys: texts,
  sourceIdentity: maybe,
  policyArns: texts,
  policy: maybe,
};
const direct = fc.record(FIELDS);
const session = fc.oneof(direct, fc.record({ ...FIELDS, source: direct }));

/** `one`, or it again with another value in one field, or something else entirely. */
const pair = fc
  .tuple(session, session, fc.constantFrom(...fieldNames()), fc.integer({ min: 0, max: 4 }))
  .map(([one, other, field, kind]): [RoleSession, RoleSession] => {
    if (kind === 0) return [one, other];
    if (kind === 1) return [one, shuffled(one)];
    return [one, shuffled({ ...one, [field]: other[field] })];
  });

function fieldNames(): (keyof RoleSession)[] {
  return Object.keys(FIELDS) as (keyof RoleSession)[];
}

/** The same session with every order turned round that means nothing to STS. */
function shuffled(one: RoleSession): RoleSession {
  return turned({
    ...one,
    source: one.source.kind === "role" ? shuffled(one.source) : turned(one.source),
    sessionTags: turned(one.sessionTags),
    transitiveTagKeys: one.transitiveTagKeys.toReversed(),
    policyArns: one.policyArns.toReversed(),
  });
}

function turned<T extends object>(value: T): T {
  return Object.fromEntries(Object.entries(value).toReversed()) as T;
}

type Source = CredentialSource | PodIdentity;

/** The oracle: field by field, with no key and no text made of two. */
function isSame(a: Source, b: Source): boolean {
  if (a.kind === "pod" || b.kind === "pod") return a.kind === b.kind && isSameRecord(a, b);
  if (a.kind === "base" || b.kind === "base") {
    return a.kind === "base" && b.kind === "base" && isSameBase(a, b);
  }
  return (
    isSame(a.source, b.source) &&
    isSameRecord(a.sessionTags, b.sessionTags) &&
    isSameSet(a.transitiveTagKeys, b.transitiveTagKeys) &&
    isSameSet(a.policyArns, b.policyArns) &&
    a.roleArn === b.roleArn &&
    a.sessionName === b.sessionName &&
    a.durationSeconds === b.durationSeconds &&
    a.region === b.region &&
    a.externalId === b.externalId &&
    a.sourceIdentity === b.sourceIdentity &&
    a.policy === b.policy
  );
}

function isSameBase(a: BaseCredentials, b: BaseCredentials): boolean {
  return a.name === b.name && a.region === b.region && isSameRecord(a.provider, b.provider);
}

function isSameRecord(a: object, b: object): boolean {
  const [ofA, ofB] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  return ofA.size === ofB.size && [...ofA].every(([key, value]) => ofB.get(key) === value);
}

function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((value) => b.includes(value));
}

describe("the cache key of a role session", () => {
  it("is another's if and only if every input of both is the same", () => {
    const seen = { same: 0, different: 0 };
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const same = isSame(a, b);
        seen[same ? "same" : "different"]++;
        return (sessionKey(a) === sessionKey(b)) === same;
      }),
      { numRuns: CASES },
    );
    expect(Math.min(seen.same, seen.different)).toBeGreaterThan(CASES / 10);
  });

  it("is nobody else's among thousands of sessions that differ in little", () => {
    const groups = new Map<string, RoleSession>();
    const wrong = fc.sample(session, 20_000).filter((one) => {
      const known = groups.get(sessionKey(one)) ?? one;
      groups.set(sessionKey(one), known);
      return !isSame(known, one);
    });
    expect(wrong).toEqual([]);
    expect(groups.size).toBeGreaterThan(1_000);
  });
});
