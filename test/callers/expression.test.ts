import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expressionOf } from "../../src/callers/expression.ts";

const ARN = `arn:aws:iam::111122223333:role/${"a".repeat(500)}/${"a".repeat(64)}`;

describe("an expression", () => {
  it.each([
    ["arn:aws:iam::\\d{12}:role/[\\w+=,.@-]+", "arn:aws:iam::111122223333:role/app", true],
    ["arn:.*:role/(dev|test)-.*", "arn:aws:iam::111122223333:role/dev-1", true],
    ["arn:.*:role/(?:dev|test)-.*", "arn:aws:iam::111122223333:role/prod-1", false],
    ["^dev-.*?$", "dev-1", true],
    ["a^", "a", false],
    ["", "", true],
    ["()*", "", true],
    ["(a*)*", "aaa", true],
    ["a||b", "", true],
    ["[^a-c]", "d", true],
    ["a\\.b", "axb", false],
    ["(a{2,3}){2}", "aaaaaa", true],
    ["(a{2,3}){2}", "aaaaaaa", false],
    ["a{2,}", "a", false],
  ])("%j, of %j as a whole: %s", (pattern, text, fits) => {
    expect(expressionOf(pattern)?.(text, "whole")).toBe(fits);
  });

  it.each([
    "dev)|(zzz",
    "(dev",
    "a**",
    "*a",
    "(?=a)",
    "(?i)a",
    "(a)\\1",
    "\\bdev",
    "[[:alpha:]]",
    "[]",
    "[z-a]",
    "a{65}",
    "a{3,2}",
    "{",
    "((a{64}){64}){64}",
    "((((){64}){64}){64}){64}",
  ])("is none: %j", (pattern) => {
    expect(expressionOf(pattern)).toBeUndefined();
  });

  it("says what JavaScript's own does", () => {
    const leaf = fc.constantFrom("a", "b", ".", "[ab]", "[^a]", "^", "$", "\\w");
    const { pattern } = fc.letrec<{ pattern: string }>((tie) => ({
      pattern: fc.oneof(
        { maxDepth: 4 },
        leaf,
        fc.tuple(tie("pattern"), tie("pattern")).map(([one, other]) => `${one}${other}`),
        fc.tuple(tie("pattern"), tie("pattern")).map(([one, other]) => `(${one}|${other})`),
        fc
          .tuple(tie("pattern"), fc.constantFrom("*", "+", "?", "{2}", "{1,2}", "{1,}", "*?"))
          .map(([one, sign]) => `(?:${one})${sign}`),
      ),
    }));
    const text = fc.stringMatching(/^[abc]{0,6}$/);

    fc.assert(
      fc.property(pattern, text, (source, value) => {
        const expression = expressionOf(source);
        expect(expression?.(value, "anywhere")).toBe(new RegExp(source).test(value));
        expect(expression?.(value, "whole")).toBe(new RegExp(`^(?:${source})$`).test(value));
      }),
      { numRuns: 5_000 },
    );
  });

  it.each([
    `${"a?".repeat(60)}${"a".repeat(60)}b`,
    ".*.*.*.*.*.*b",
    `${"(a|a)".repeat(150)}b`,
    `${"(a*)*".repeat(50)}b`,
    `${"a{0,64}".repeat(30)}b`,
    // Whoever tried one way after the other would not be through in a lifetime: this test would hang.
  ])("ends, whatever it is: %s", (pattern) => {
    expect(expressionOf(pattern)?.(ARN, "anywhere")).toBe(false);
  });
});
