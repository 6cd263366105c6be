import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { stringify } from "yaml";
import { loadConfig } from "../../src/config/load.ts";
import { CrossroleError } from "../../src/errors.ts";
import { READER, configOf, problemsIn, refusalOf, rejectionOf } from "./support.ts";

/** Keys that mean something, to the schema or to JavaScript. */
const KEYS =
  "roles bases listeners sts region associations operations state reader arn via base policy Statement sessionTags transitiveTagKeys externalId sessionName durationSeconds policyArns address role pods allowUsers hosts profile webIdentity process endpoint burst __proto__ constructor prototype toString 0".split(
    " ",
  );

const GOOD = `roles: { reader: { arn: "${READER}" } }\n`;

describe("a text that is no configuration", () => {
  it.each([
    ["", "is empty; it needs at least roles"],
    ["# only a comment\n", "is empty; it needs at least roles"],
    ["null\n", "is empty; it needs at least roles"],
    ["- roles\n", "must be a mapping, is a list"],
    ["roles\n", 'must be a mapping, is "roles"'],
    ["42\n", "must be a mapping, is 42"],
    ["region: eu-west-1\n", "roles must be a mapping"],
  ])("is refused: %j", (text, problem) => {
    expect(problemsIn(text)).toEqual([problem]);
  });

  it.each([
    ["roles:\n  reader:\n    arn: 'x\n", /at line 4\b/],
    ["region: eu-west-1\nroles: [\n", /at line [23]\b/],
    ["roles:\n\treader: 1\n", /at line 2\b/],
    ["region: eu-west-1\nroles: {}\nregion: eu-west-2\n", /^Map keys must be unique at line 3\b/],
    ["roles:\n  ab: {}\n  ab: {}\n", /^Map keys must be unique at line 3\b/],
    ["roles: {}\n---\nroles: {}\n", /^Source contains multiple documents.* at line 2\b/],
    ["roles: !!js/function x\n", /^Unresolved tag.* at line 1\b/],
  ])("is refused with its line: %j", (text, problem) => {
    const [first] = problemsIn(text);

    expect(first).toMatch(problem);
  });

  it.each([
    ["roles: *reader\n", /Unresolved alias/],
    [
      `roles: { reader: { arn: "${READER}", policy: &p { Statement: [*p] } } }\n`,
      /an alias holds itself/,
    ],
    ["roles: &r { reader: *r }\n", /an alias holds itself/],
    [
      "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c]\n",
      /alias/,
    ],
    [`roles: ${"[".repeat(5_000)}${"]".repeat(5_000)}\n`, /./],
  ])("is refused for aliases and depths without an end, case %$", (text, message) => {
    expect(refusalOf(() => configOf(text)).message).toMatch(message);
  });

  it("is refused for a key that is a list, and Node prints no warning of it", () => {
    const emitWarning = vi.spyOn(process, "emitWarning").mockReturnValue();

    expect(refusalOf(() => configOf("roles: { ? [a, b] : 1 }\n")).message).toContain(
      "must be named",
    );
    expect(emitWarning).not.toHaveBeenCalled();
    emitWarning.mockRestore();
  });
});

describe("a text that is one", () => {
  it("may be JSON, may begin with a byte order mark, and may use anchors", () => {
    const anchored = `roles: { ab: &a { arn: "${READER}" }, cd: *a }\n`;

    expect([...configOf({ roles: { reader: { arn: READER } } }).roles.keys()]).toEqual(["reader"]);
    expect([...configOf(`\u{FEFF}${GOOD}`).roles.keys()]).toEqual(["reader"]);
    expect([...configOf(anchored).roles.keys()]).toEqual(["ab", "cd"]);
  });
});

describe("a file that cannot be read", () => {
  let directory = "";
  beforeEach(async () => {
    directory = await mkdtemp(path.join(tmpdir(), "crossrole-"));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it.each(["missing.yaml", "directory", "file/below"])(
    "is named with the reason: %s",
    async (name) => {
      await mkdir(path.join(directory, "directory"));
      await writeFile(path.join(directory, "file"), GOOD);
      const file = path.join(directory, name);
      const options = { flags: {}, environment: {}, hostname: "laptop" };

      const error = await rejectionOf(
        loadConfig({ kind: "file", path: file, settings: {} }, options),
      );

      expect(error.code).toBe("ERR_CONFIG_INVALID");
      expect(error.message).toMatch(
        /: cannot be read: (?:E(?:NOENT|NOTDIR)\b|it is no regular file$)/,
      );
      expect(error.message.startsWith(file)).toBe(true);
    },
  );
});

describe("a name that every JavaScript object knows", () => {
  it.each(["constructor", "toString", "hasOwnProperty", "valueOf"])(
    "is a role's name: %s",
    (name) => {
      const file = {
        roles: { [name]: { arn: READER } },
        listeners: [{ address: "127.0.0.1:9911", role: name }],
      };

      expect([...configOf(file).roles.keys()]).toEqual([name]);
    },
  );

  it.each(["constructor", "toString", "__proto__"])(
    "is no role and no base by itself: %s",
    (name) => {
      const file = `roles: { reader: { arn: "${READER}", base: ${name} } }\nlisteners: [{ address: "127.0.0.1:1", role: ${name} }]\n`;

      expect(problemsIn(file)).toEqual([
        `roles.reader.base must name a base, is "${name}"; known are none`,
        `listeners[0].role must name a role, is "${name}"; known are reader`,
      ]);
    },
  );

  it.each([
    [`__proto__: { region: x }\n${GOOD}`, /^__proto__ is not a known key/],
    [`constructor: { prototype: { polluted: 1 } }\n${GOOD}`, /^constructor is not a known key/],
    [
      `roles: { reader: { arn: "${READER}", __proto__: { base: x } } }\n`,
      /^roles\.reader\.__proto__ is not/,
    ],
    [`roles: { __proto__: { arn: "${READER}" } }\n`, /^roles\.__proto__ must have another name/],
    [`bases: { __proto__: { profile: x } }\n${GOOD}`, /^bases\.__proto__ must have another name/],
    [
      `roles: { reader: { arn: "${READER}", sessionTags: { __proto__: x } } }\n`,
      /^roles\.reader\.sessionTags\.__proto__ must have another name/,
    ],
  ])("is refused, not lost, where it means nothing: %j", (text, problem) => {
    const problems = problemsIn(text);

    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(problem);
    expect(Object.keys(Object.prototype)).toEqual([]);
  });
});

/** What may become of a file; anything else is a fault of crossrole. */
const ACCEPTABLE = ["loaded", "ERR_CONFIG_INVALID"];

function outcomeOf(text: string, environment: Record<string, string> = {}): string {
  try {
    const { roles } = configOf(text, { environment });
    return roles instanceof Map && Object.keys(Object.prototype).length === 0 ? "loaded" : "odd";
  } catch (error) {
    if (error instanceof CrossroleError) return error.code;
    throw error;
  }
}

describe("whatever a file says", () => {
  const key = fc.oneof(fc.constantFrom(...KEYS), fc.string());
  const leaf = fc.oneof(
    fc.constantFrom(
      READER,
      "reader",
      "127.0.0.1:9911",
      "eu-west-1",
      "cn-north-1",
      "{role}",
      "https://x",
    ),
    fc.string(),
    fc.integer(),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
  );
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      leaf,
      fc.array(tie("value"), { maxLength: 4 }),
      tie("mapping"),
    ),
    mapping: fc.array(fc.tuple(key, tie("value")), { maxLength: 6 }).map((entries) => {
      const mapping = {};
      for (const [name, part] of entries) {
        Object.defineProperty(mapping, name, { value: part, enumerable: true, configurable: true });
      }
      return mapping;
    }),
  }));

  it("gives a configuration or a configuration error: any JSON", () => {
    fc.assert(
      fc.property(value, (file) => {
        expect(ACCEPTABLE).toContain(outcomeOf(JSON.stringify(file)));
      }),
      { numRuns: 200 },
    );
  });

  it("gives a configuration or a configuration error: any value in the place of a part", () => {
    fc.assert(
      fc.property(value, value, value, (role, base, listener) => {
        const file = {
          roles: { reader: role, writer: { arn: READER, base: "hub", policy: role, via: role } },
          bases: { hub: base },
          listeners: [listener],
        };
        expect(ACCEPTABLE).toContain(outcomeOf(JSON.stringify(file)));
      }),
      { numRuns: 200 },
    );
  });

  it("gives a configuration or a configuration error: any YAML", () => {
    fc.assert(
      fc.property(value, fc.nat(), fc.string({ unit: "binary" }), (file, at, noise) => {
        const text = stringify(file);
        expect(ACCEPTABLE).toContain(
          outcomeOf(
            text.slice(0, at % (text.length + 1)) + noise + text.slice(at % (text.length + 1)),
          ),
        );
      }),
      { numRuns: 100 },
    );
  });

  it("gives a configuration or a configuration error: any text and any variable", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string(), (text, variable) => {
        expect(ACCEPTABLE).toContain(outcomeOf(text));
        expect(ACCEPTABLE).toContain(
          outcomeOf(GOOD, { AWS_REGION: variable, AWS_ENDPOINT_URL_STS: variable }),
        );
      }),
      { numRuns: 100 },
    );
  });
});
