/** @module Threat S11: a metadata token is good for one caller at one listener, for its time, as it is. */
import fc from "fast-check";
import { describe, expect, it, inject } from "vitest";
import {
  isTokenValid,
  issueToken,
  newTokenKeys,
  rotate,
} from "../../src/metadata/metadata-token.ts";
import { Connection } from "./connection.ts";
import type { Ask, Told } from "./connection.ts";
import { ROLES, clock, startFace } from "./face.ts";

/** 10^5 of them in `npm run test:properties`. */
const CASES = inject("cases") ?? 10_000;
/** Requests that go out together on one connection. */
const BATCH = 200;

const NOW = Date.parse("2026-11-02T12:00:00Z");
const BYTES = 38;
const MAX_TTL_SECONDS = 21_600;

type Alter = (token: string) => string;

/** Another byte in the place of the one at `index`. */
const byteChanged = fc
  .tuple(fc.nat(BYTES - 1), fc.integer({ min: 1, max: 255 }))
  .map(([index, flip]): Alter => (token) => {
    const bytes = Buffer.from(token, "base64url");
    bytes.writeUInt8(bytes.readUInt8(index) ^ flip, index);
    return bytes.toString("base64url");
  });

/** Of the token's text: what a header can hold at all. */
const position = fc.nat(50);
const character = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCodePoint(code));
const textChanged = fc.oneof(
  fc.tuple(position, character).map(
    ([at, other]): Alter =>
      (token) =>
        cut(token, at, 1, other),
  ),
  fc.tuple(position, character).map(
    ([at, more]): Alter =>
      (token) =>
        cut(token, at, 0, more),
  ),
  position.map(
    (at): Alter =>
      (token) =>
        cut(token, at, 1, ""),
  ),
  position.map(
    (length): Alter =>
      (token) =>
        token.slice(0, length),
  ),
  fc.tuple(position, position).map(
    ([a, b]): Alter =>
      (token) =>
        swapped(token, a, b),
  ),
  fc.constantFrom<Alter>(
    (token) => `${token}=`,
    (token) => `${token},${token}`,
    (token) => token + token,
    (token) => token.toUpperCase(),
    (token) => Buffer.from(token, "base64url").toString("base64"),
    (token) => Buffer.from(token, "base64url").toString("hex"),
    (token) => token.split("").toReversed().join(""),
  ),
);
const alteration = fc.oneof(byteChanged, textChanged);

function cut(token: string, at: number, count: number, instead: string): string {
  return token.slice(0, at) + instead + token.slice(at + count);
}

function swapped(token: string, a: number, b: number): string {
  const characters = token.split("");
  [characters[a], characters[b]] = [characters[b] ?? "", characters[a] ?? ""];
  return characters.join("");
}

const name = fc.oneof(
  fc.constantFrom("127.0.0.1", "127.0.0.2", "::1", "uid:0", "uid:1000", "uid:10", ""),
  fc.string({ maxLength: 12 }),
);
const audience = fc.record({ caller: name, listener: name });
const ttl = fc.integer({ min: 1, max: MAX_TTL_SECONDS });

describe("a metadata token", () => {
  const keys = newTokenKeys(NOW);

  it("altered in any byte never passes, and unaltered it does", () => {
    fc.assert(
      fc.property(audience, ttl, alteration, (owner, ttlSeconds, alter) => {
        const token = issueToken(keys, owner, ttlSeconds, NOW);
        const altered = alter(token);
        expect(isTokenValid(keys, owner, token, NOW)).toBe(true);
        expect(isTokenValid(keys, owner, altered, NOW)).toBe(altered === token);
      }),
      { numRuns: CASES },
    );
  });

  it("never passes from another caller or listener", () => {
    fc.assert(
      fc.property(audience, audience, ttl, (owner, other, ttlSeconds) => {
        const token = issueToken(keys, owner, ttlSeconds, NOW);
        const isOwner = other.caller === owner.caller && other.listener === owner.listener;
        expect(isTokenValid(keys, other, token, NOW)).toBe(isOwner);
      }),
      { numRuns: CASES },
    );
  });

  it("passes until its time is over and never after it, whatever keys have come since", () => {
    const later = fc.oneof(
      fc.integer({ min: 0, max: (MAX_TTL_SECONDS + 10) * 1000 }),
      fc.integer({ min: 0, max: 48 * 3_600_000 }),
    );
    fc.assert(
      fc.property(audience, ttl, fc.nat(24 * 3_600_000 - 1), later, (owner, seconds, age, wait) => {
        const issuedMs = NOW + age;
        const token = issueToken(keys, owner, seconds, issuedMs);
        const rotated = rotate(keys, issuedMs + wait);
        const isAlive = wait < seconds * 1000;
        expect(isTokenValid(rotated, owner, token, issuedMs + wait)).toBe(isAlive);
      }),
      { numRuns: CASES },
    );
  });
});

describe("a metadata token on the wire", () => {
  const LIST = "/latest/meta-data/iam/security-credentials/";
  const attempt = fc.record({
    alter: fc.option(alteration, { nil: undefined, freq: 10 }),
    /** Of whom the token is, and for which role. */
    owner: fc.constantFrom("127.0.0.1", "127.0.0.2"),
    role: fc.constantFrom(...ROLES),
    /** Which role is asked for with it. */
    asked: fc.constantFrom(...ROLES),
  });

  it("gets a role name as it is, from its caller, for its role and in its time, and never else", async () => {
    await using face = await startFace("roles");
    using own = new Connection(face.port);
    using others = new Connection(face.port, "127.0.0.2");
    const startedMs = clock.nowMs;
    const batch = fc.array(attempt, { minLength: BATCH, maxLength: BATCH });
    const agesMs = fc.oneof(
      { weight: 4, arbitrary: fc.nat(59_999) },
      { arbitrary: fc.nat(90_000), weight: 1 },
    );
    const tokens = new Map<string, string>();
    for (const role of ROLES) {
      for (const connection of [own, others]) {
        const [told] = await connection.ask([putToken(role)]);
        tokens.set(`${connection === own ? "127.0.0.1" : "127.0.0.2"} ${role}`, told?.body ?? "");
      }
    }
    let served = 0;
    await fc.assert(
      fc.asyncProperty(batch, agesMs, async (attempts, ageMs) => {
        clock.nowMs = startedMs + ageMs;
        const cases = attempts.map(({ owner, role, asked, alter = same }) => {
          const issued = tokens.get(`${owner} ${role}`) ?? "";
          const token = alter(issued);
          const passes =
            token === issued && owner === "127.0.0.1" && role === asked && ageMs < 60_000;
          return { passes, ask: get(`/roles/${asked}${LIST}`, token), asked };
        });
        const told = await own.ask(cases.map(({ ask }) => ask));
        const wrong = cases.filter(({ passes, asked }, at) => !isRight(told[at], passes, asked));
        expect(wrong.slice(0, 3)).toEqual([]);
        served += cases.filter(({ passes }) => passes).length;
      }),
      { numRuns: CASES / BATCH, endOnFailure: true },
    );
    clock.nowMs = startedMs;
    expect(served).toBeGreaterThan(CASES / 1000);
  });
});

function isRight(told: Told | undefined, passes: boolean, role: string): boolean {
  return passes
    ? told?.status === 200 && told.body === role
    : told?.status === 401 && told.body === "";
}

function same(token: string): string {
  return token;
}

function get(target: string, token: string): Ask {
  return {
    method: "GET",
    target,
    headers: { Host: "127.0.0.1", "x-aws-ec2-metadata-token": token },
  };
}

function putToken(role: string): Ask {
  const headers = { Host: "127.0.0.1", "x-aws-ec2-metadata-token-ttl-seconds": "60" };
  return { method: "PUT", target: `/roles/${role}/latest/api/token`, headers };
}
