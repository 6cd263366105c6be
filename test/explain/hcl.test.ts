import { describe, expect, it } from "vitest";
import { attributesOf, Expression, hclOf } from "../../src/explain/hcl.ts";

describe("values in HashiCorp's language", () => {
  it.each([
    ["a quote", 'a"b', String.raw`"a\"b"`],
    ["a template", "${var.secret}", '"$${var.secret}"'],
    ["a directive", "%{ if true }", '"%%{ if true }"'],
    ["a line break", "a\nb", String.raw`"a\nb"`],
    ["a number", 7_200, "7200"],
    ["an empty list", [], "[]"],
    ["a short list", ["a", "b"], '["a", "b"]'],
    ["a reference", new Expression("aws_iam_role.a.arn"), "aws_iam_role.a.arn"],
    ["a list with one", [new Expression("a.b"), "c"], '[a.b, "c"]'],
  ])("write %s so that it stands for itself", (_, value, text) => {
    expect(hclOf(value)).toBe(text);
  });

  it("put the entries of a long list on lines of their own", () => {
    const long = "x".repeat(50);
    expect(hclOf([long, long])).toBe(`[\n  "${long}",\n  "${long}",\n]`);
  });

  it("align what follows each other, and nothing across a value with lines of its own", () => {
    const lines = attributesOf([
      ["a", 1],
      ["bbb", 2],
      ["object", { "sts:ExternalId": "x", "b:c": "y" }],
      ["cc", 3],
    ]);
    expect(lines).toBe(
      `a   = 1\nbbb = 2\nobject = {\n  "sts:ExternalId" = "x"\n  "b:c"            = "y"\n}\ncc = 3`,
    );
  });
});
