import { describe, expect, it } from "vitest";
import { READER, configOf, problemsIn, refusalOf } from "./support.ts";

/** With a step for each pair of roles, each of these takes longer than a test may. */
const ROLES = 50_000;

function rolesWith(line: (index: number) => string, count = ROLES): string {
  return `roles:\n${Array.from({ length: count }, (_, index) => `  ${line(index)}\n`).join("")}`;
}

const plain = (index: number) => `role-${index}: { arn: "${READER}" }`;

describe("a large file", () => {
  it("is read in a time that grows with its length, not with its square", () => {
    expect(configOf(rolesWith(plain)).roles.size).toBe(ROLES);
  });

  it("has its duplicate key found, with the line", () => {
    const text = `${rolesWith(plain)}  role-7: {}\n`;

    expect(problemsIn(text)).toEqual([`Map keys must be unique at line ${ROLES + 2}, column 3`]);
  });

  it("with the same mistake in every role has the first hundred told", () => {
    const text = rolesWith((index) => `role-${index}: { arn: "${READER}", bases: x }`, 20_000);

    const lines = refusalOf(() => configOf(text)).message.split("\n");

    expect(lines).toHaveLength(102);
    expect(lines[0]).toBe("crossrole.yaml has 20000 problems:");
    expect(lines[1]).toBe('  roles.role-0.bases is not a known key (did you mean "base"?)');
    expect(lines.at(-1)).toBe("  and 19900 more");
  });

  it("with an unknown name in every association has a hint of a bounded length for each", () => {
    const associations = Array.from({ length: 20_000 }, (_, index) => ({
      namespace: `n${index}`,
      serviceAccount: "app",
      role: `nobody-has-${index}`,
    }));
    const roles = Array.from({ length: 20_000 }, (_, index) => [`role-${index}`, { arn: READER }]);

    const file = { roles: Object.fromEntries(roles), associations };
    const [, first] = refusalOf(() => configOf(file)).message.split("\n");

    expect(first).toMatch(
      /^ {2}associations\[0\]\.role must name a role, is "nobody-has-0"; known are role-0, .*, role-49 and 19950 more$/,
    );
  });

  it("has at most a thousand aliases: each is looked for among all anchors", () => {
    const text = rolesWith(
      (index) => `role-${index}: { arn: &a${index} "${READER}", via: [*a${index}] }`,
    );

    expect(problemsIn(text)).toEqual(["must have at most 1000 aliases"]);
  });
});

describe("a key that is there twice", () => {
  it.each([
    ["roles: { ab: {}, ab: {} }\n", ["Map keys must be unique at line 1, column 18"]],
    ["roles:\n  1: {}\n  1: {}\n", ["Map keys must be unique at line 3, column 3"]],
    [
      "roles:\n  ab: {}\n  ab: {}\n  cd: { x: 1, x: 2 }\n",
      [
        "Map keys must be unique at line 3, column 3",
        "Map keys must be unique at line 4, column 15",
      ],
    ],
    [
      "roles:\n  ab: {}\n  ab: {}\nregion: !nothing x\n",
      [
        "Map keys must be unique at line 3, column 3",
        "Unresolved tag: !nothing at line 4, column 9",
      ],
    ],
  ])("is refused in every place, in the order of the file: %j", (text, problems) => {
    expect(problemsIn(text)).toEqual(problems);
  });
});
