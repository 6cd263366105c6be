import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitsGlob } from "../../src/callers/glob.ts";

describe("a glob", () => {
  it.each([
    ["team-a", "team-a", true],
    ["team-*", "team-a", true],
    ["team-*", "team-", true],
    ["*", "", true],
    ["team-?", "team-a", true],
    ["team-?", "team-ab", false],
    ["team-?", "team-", false],
    ["team-a", "xteam-a", false],
    ["team-a", "team-ab", false],
    ["*a*b*", "xaxbx", true],
    ["*a*b", "xaxbx", false],
    ["", "", true],
    ["", "a", false],
    ["a.c", "abc", false],
    ["[ab]", "a", false],
  ])("%j fits %j: %s", (glob, text, fits) => {
    expect(fitsGlob(glob, text)).toBe(fits);
  });

  it("fits just what a regular expression of it does, from its beginning to its end", () => {
    const glob = fc.stringMatching(/^[ab*?]{0,8}$/);
    const text = fc.stringMatching(/^[ab]{0,8}$/);

    fc.assert(
      fc.property(glob, text, (pattern, value) => {
        const source = pattern.replaceAll("*", ".*").replaceAll("?", ".");
        expect(fitsGlob(pattern, value)).toBe(new RegExp(`^${source}$`).test(value));
      }),
      { numRuns: 5_000 },
    );
  });

  it("of many stars over a long text ends at once", () => {
    expect(fitsGlob(`${"*a".repeat(200)}b`, "a".repeat(2_000))).toBe(false);
  });
});
