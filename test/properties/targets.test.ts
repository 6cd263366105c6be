/** @module DESIGN 5.2 and 5.3, threat S5: which raw request targets reach credentials, and no others. */
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, inject } from "vitest";
import { Connection } from "./connection.ts";
import type { Ask, Told } from "./connection.ts";
import { AUTHORIZATION, ROLES, startFace } from "./face.ts";
import type { Face } from "./face.ts";

/** 10^5 of them in `npm run test:properties`. */
const CASES = inject("cases") ?? 10_000;
/** Requests that go out together on one connection. */
const BATCH = 100;

// The oracle: the tables of 5.2 and 5.3, on the segments of a target.

/** What a request may get: a role's credentials document, its name, a token, or neither. */
type Expected =
  | { readonly gets: "credentials" | "role name" | "token"; readonly role: string }
  | { readonly gets: "nothing" | "a refusal" };

const NOTHING = { gets: "nothing" } as const;
const LIST = ["meta-data", "iam", "security-credentials"];

function expectedOf(kind: "role" | "roles", { method, target: written }: Ask): Expected {
  // Spaces around a target belong to the request line (RFC 9112, section 3).
  const target = written.replaceAll(/^ +| +$/g, "");
  if (!isTarget(target)) return { gets: "a refusal" };
  const segments = target.split("/").filter((segment) => segment !== "");
  if (segments[0] === "container") return expectedOfContainer(kind, method, segments.slice(1));
  const isPerRole = kind === "roles" && segments[0] === "roles";
  const role = isPerRole ? decoded(segments[1]) : kind === "role" ? ROLES[0] : undefined;
  if (role === undefined || !isServed(kind, role)) return NOTHING;
  const [version = "", ...rest] = isPerRole ? segments.slice(2) : segments;
  if (!isVersion(version)) return NOTHING;
  if (method === "PUT") return equal(rest, ["api", "token"]) ? { gets: "token", role } : NOTHING;
  if (method !== "GET" && method !== "HEAD") return NOTHING;
  if (equal(rest, LIST)) return { gets: "role name", role };
  const isNamed = equal(rest.slice(0, -1), LIST) && decoded(rest.at(-1)) === role;
  return isNamed ? { gets: "credentials", role } : NOTHING;
}

function expectedOfContainer(
  kind: "role" | "roles",
  method: string,
  [name, ...rest]: readonly string[],
): Expected {
  const role = decoded(name);
  const isAsked = (method === "GET" || method === "HEAD") && rest.length === 0;
  return isAsked && role !== undefined && isServed(kind, role)
    ? { gets: "credentials", role }
    : NOTHING;
}

/** Origin form, of characters that a request line can hold at all. */
function isTarget(target: string): boolean {
  return target.startsWith("/") && /^[\x21-\x5b\x5d-\x7e]*$/.test(target);
}

/** EC2's own: `latest`, its first version, and the dated ones. */
function isVersion(segment: string): boolean {
  return segment === "latest" || segment === "1.0" || /^[0-9]{4}(-[0-9]{2}){2}$/.test(segment);
}

function isServed(kind: "role" | "roles", role: string): boolean {
  return kind === "role" ? role === ROLES[0] : ROLES.some((known) => known === role);
}

/** Percent-decoding by hand: pairs of hexadecimal digits, of which ASCII comes out. */
function decoded(segment: string | undefined): string | undefined {
  if (segment === undefined || /%(?![0-9a-f]{2})/i.test(segment)) return undefined;
  return segment.replaceAll(/%(..)/g, (_, hex: string) =>
    String.fromCodePoint(Number.parseInt(hex, 16)),
  );
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((segment, index) => segment === b[index]);
}

// The targets: those of the table, written in every wrong way.

const NAMES = [
  ...ROLES,
  ...ROLES,
  "other",
  "orders-reader2",
  "ROLE",
  "..",
  "%",
  "%ff",
  "*",
  ":role",
];
const PREFIXES = ["", "", "", "/roles/orders-reader", "/roles/billing", "/roles/other", "/roles"];
const VERSIONS = ["latest", "latest", "latest", "1.0", "2021-03-23", "2009-04-04", "2021-3-23"];
const LEAVES = [
  "api/token",
  "meta-data/iam/security-credentials",
  "meta-data/iam/security-credentials/",
  "meta-data/iam/security-credentials-extended/orders-reader",
  "meta-data/iam/info",
  "user-data",
];
const leaf = fc.oneof(
  { weight: 1, arbitrary: fc.constant("api/token") },
  { weight: 1, arbitrary: fc.constantFrom(...LEAVES) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(...NAMES).map((one) => `meta-data/iam/security-credentials/${one}`),
  },
);

const sound = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.constantFrom(...PREFIXES), fc.constantFrom(...VERSIONS), leaf)
      .map(([prefix, version, path]) => `${prefix}/${version}/${path}`),
  },
  { weight: 1, arbitrary: fc.constantFrom(...NAMES).map((name) => `/container/${name}`) },
);

/** What path normalisation elsewhere takes for a slash, a dot, an end or nothing. */
const TRICKS = [
  "..%%;;?##:@&=+*~!$'(),[]|^`\"<>{}".split(""),
  ["/", "//", "/./", "/../", "..", "%2f", "%2F", "%5c", "%2e", "%2e%2e", "%00", "%0a", "%0d%0a"],
  ["%252f", "%252e", "%c0%af", "%e2%80%ae", "..;/", ";x=y", "?x=1", "#x", "/latest/", "/x/.."],
  ["//127.0.0.1", "latest", "LATEST", "/roles/billing", "orders-reader"],
].flat();
/** What no target may hold. */
const FORBIDDEN = ["\\", "\0", "\t", "\u007f", " ", "\u00a0", "\u00ff", "\u00c3\u00a4"];
const byte = fc.integer({ min: 0, max: 255 }).map((value) => String.fromCodePoint(value));
const trick = fc.oneof(
  { weight: 20, arbitrary: fc.constantFrom(...TRICKS) },
  { weight: 1, arbitrary: fc.constantFrom(...FORBIDDEN) },
  { weight: 1, arbitrary: byte },
);

type Mutate = (target: string) => string;

function at(change: (before: string, after: string, trick: string) => string) {
  return fc.tuple(fc.noBias(fc.nat(1000)), trick).map(([where, text]): Mutate => (target) => {
    const index = Math.round((where / 1000) * target.length);
    return change(target.slice(0, index), target.slice(index), text);
  });
}

const INSIDE: fc.Arbitrary<Mutate>[] = [
  at((before, after, text) => before + text + after),
  at((before, after, text) => before + text + after.slice(1)),
  at((before, after) => before + after.slice(1)),
  at((before, after) => before + percentEncoded(after.slice(0, 1)) + after.slice(1)),
  at((before, after) => before + swapCase(after.slice(0, 1)) + after.slice(1)),
  at((before, after) => `${before}//${after}`),
  at((before, after) => before + after.replace(/^[^/]*\//, "")),
  at((before, after, text) => before + after + text),
  fc.constant((target: string) => target.replaceAll("/", "//")),
  fc.constant((target: string) => target.replace(/[^/]+$/, encodeAll)),
];
const WHOLE: fc.Arbitrary<Mutate>[] = [
  at((before, after, text) => text + before + after),
  fc.constant((target: string) => target.toUpperCase()),
  fc.constant((target: string) => target.replaceAll("/", "\\")),
  fc.constant((target: string) => target.slice(1)),
  fc.constant((target: string) => `http://169.254.169.254${target}`),
  fc.constant(encodeAll),
];
const mutation = fc.oneof(
  { weight: 20, arbitrary: fc.oneof(...INSIDE) },
  { weight: 1, arbitrary: fc.oneof(...WHOLE) },
);

function percentEncoded(character: string): string {
  return character === "" ? "" : `%${Buffer.from(character, "latin1").toString("hex")}`;
}

function encodeAll(text: string): string {
  return text.split("").map(percentEncoded).join("");
}

function swapCase(character: string): string {
  const upper = character.toUpperCase();
  return upper === character ? character.toLowerCase() : upper;
}

const target = fc
  .tuple(sound, fc.array(mutation, { maxLength: 2 }))
  .map(([start, mutations]) => mutations.reduce((text, mutate) => mutate(text), start))
  // As it goes out: one byte a character.
  .map((text) => Buffer.from(text, "latin1").toString("latin1"));
const method = fc.oneof(
  { weight: 8, arbitrary: fc.constant("GET") },
  { weight: 2, arbitrary: fc.constant("PUT") },
  { weight: 2, arbitrary: fc.constantFrom("HEAD", "POST", "DELETE", "OPTIONS", "PATCH") },
);
const request = fc.record({ method, target });

describe.each(["role", "roles"] as const)("on a listener of kind %s", (kind) => {
  let face: Face;
  let headers: Readonly<Record<string, string>>;
  let kept: Connection;
  const seen = new Map<string, number>();

  beforeAll(async () => {
    face = await startFace(kind);
    kept = new Connection(face.port);
    headers = { Host: "127.0.0.1", Authorization: AUTHORIZATION };
  });

  afterAll(async () => {
    kept[Symbol.dispose]();
    await face[Symbol.asyncDispose]();
  });

  it("a raw target reaches a role's credentials if and only if the table says so", async () => {
    const tokens = await tokensOf(kept, kind);
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { minLength: BATCH, maxLength: BATCH }),
        fc.constantFrom(...ROLES),
        async (requests, owner) => {
          const token = tokens[owner] ?? "";
          const asked = requests.map((one) => ({
            ...one,
            headers: {
              ...headers,
              "x-aws-ec2-metadata-token": token,
              "x-aws-ec2-metadata-token-ttl-seconds": "60",
            },
          }));
          expect((await verdicts(asked, owner)).slice(0, 3)).toEqual([]);
        },
      ),
      // A batch takes long to shrink, and says by itself which of its requests are at fault.
      { numRuns: CASES / BATCH, endOnFailure: true },
    );
    // Each kind of answer came, and none was a rarity.
    for (const gets of ["a refusal", "credentials", "nothing", "role name", "token"]) {
      expect(seen.get(gets)).toBeGreaterThan(CASES / 1000);
    }
  });

  /** Asks everything, and gives each request that was not answered as the table says. */
  async function verdicts(asked: readonly Ask[], owner: string): Promise<string[]> {
    const { answered = [], refused = [] } = Object.groupBy(asked, (ask) =>
      expectedOf(kind, ask).gets === "a refusal" ? "refused" : "answered",
    );
    face.reached.length = 0;
    if (kept.isOver) kept = new Connection(face.port);
    const told = await kept.ask(answered);
    const wrong = answered.flatMap((ask, index) => {
      const expected = forOwner(expectedOf(kind, ask), owner, ask);
      seen.set(expected.gets, (seen.get(expected.gets) ?? 0) + 1);
      return isAsExpected(expected, told[index], ask) ? [] : [show(ask, expected, told[index])];
    });
    const expectedRoles = answered.flatMap((ask) => {
      const expected = forOwner(expectedOf(kind, ask), owner, ask);
      return expected.gets === "credentials" || expected.gets === "role name"
        ? [expected.role]
        : [];
    });
    if (!equal(face.reached.toSorted(), expectedRoles.toSorted())) {
      wrong.push(`reached ${face.reached.join(" ")} instead of ${expectedRoles.join(" ")}`);
    }
    face.reached.length = 0;
    const answers = await Promise.all(refused.map(askAlone));
    seen.set("a refusal", (seen.get("a refusal") ?? 0) + refused.length);
    for (const [index, ask] of refused.entries()) {
      const answer = answers[index];
      const isRefused = (answer?.status === 400 || answer?.status === 0) && answer.body === "";
      if (!isRefused || !answer.closes) wrong.push(show(ask, { gets: "a refusal" }, answer));
    }
    if (face.reached.length > 0) wrong.push(`reached ${face.reached.join(" ")} though refused`);
    return wrong;
  }

  /** A metadata token of one role is worth nothing at another's; a container's is both roles' here. */
  function forOwner(expected: Expected, owner: string, { target: path }: Ask): Expected {
    const isContainer = /^ *\/+container(?:[/ ]|$)/.test(path);
    const isOthers = "role" in expected && expected.role !== owner && kind === "roles";
    return isOthers && !isContainer && expected.gets !== "token" ? NOTHING : expected;
  }

  async function askAlone(ask: Ask): Promise<Told | undefined> {
    using connection = new Connection(face.port);
    const [told] = await connection.ask([ask]);
    return told;
  }
});

function isAsExpected(expected: Expected, told: Told | undefined, { method: asked }: Ask): boolean {
  if (told === undefined || told.closes) return false;
  const { status, body } = told;
  switch (expected.gets) {
    case "credentials":
      return status === 200 && (asked === "HEAD" || body.includes(`ASIA/${expected.role}`));
    case "role name":
      return status === 200 && (asked === "HEAD" || body === expected.role);
    case "token":
      return status === 200 && /^[\w-]{51}$/.test(body);
    case "nothing":
      // Documents of the configuration are none of this property's business, as long as they are not these.
      return !/ASIA|CANARY|^orders-reader$|^billing$|^[\w-]{51}$/.test(body);
    case "a refusal":
      return false;
  }
}

function show(ask: Ask, expected: Expected, told: Told | undefined): string {
  return JSON.stringify({ ...ask, headers: undefined, expected, told });
}

async function tokensOf(
  connection: Connection,
  kind: "role" | "roles",
): Promise<Record<string, string>> {
  const prefixes = ROLES.map((role) => (kind === "roles" ? `/roles/${role}` : ""));
  const told = await connection.ask(
    prefixes.map((prefix) => ({
      method: "PUT",
      target: `${prefix}/latest/api/token`,
      headers: { Host: "127.0.0.1", "x-aws-ec2-metadata-token-ttl-seconds": "21600" },
    })),
  );
  return Object.fromEntries(ROLES.map((role, index) => [role, told[index]?.body ?? ""]));
}
