import { describe, expect, it } from "vitest";
import { differencesIn, parseListing, withHooks } from "../../src/node/listing.ts";

const HOOK = "type filter hook forward priority -10; policy accept;";

function listing(...rules: readonly string[]): string {
  const lines = [HOOK, ...rules].map((rule) => `\t\t${rule}`).join("\n");
  return `table inet t {\n\tcounter c {\n\t}\n\n\tchain forward {\n${lines}\n\t}\n}\n`;
}

function differences(expected: string, present: string): string[] {
  return differencesIn(parseListing(expected), parseListing(present));
}

describe("two listings", () => {
  it("are the same when every line is", () => {
    expect(differences(listing("a", "b"), listing("a", "b"))).toEqual([]);
  });

  it.each<[string, string, string[]]>([
    ["a rule less", listing("a"), ["chain forward lacks: b"]],
    ["a rule more", listing("a", "b", "x"), ["chain forward has what is not ours: x"]],
    ["a rule twice", listing("a", "b", "b"), ["chain forward has what is not ours: b"]],
    ["another order", listing("b", "a"), ["the rules of chain forward are in another order"]],
    [
      "another chain",
      `${listing("a", "b").slice(0, -2)}\tchain x {\n\t}\n}\n`,
      ["chain x is not ours"],
    ],
    ["no chain", "table inet t {\n\tcounter c {\n\t}\n}\n", ["chain forward is gone"]],
    [
      "a flag",
      listing("a", "b").replace("\n", "\n\tflags dormant\n"),
      ["the table has what is not ours: flags dormant"],
    ],
  ])("differ by %s", (_, present, expected) => {
    expect(differences(listing("a", "b"), present)).toEqual(expected);
  });

  it("differ when the chain is tied to the kernel in another way, or not at all", () => {
    const present = listing("a").replace("policy accept", "policy drop");

    expect(differences(listing("a"), present)).toEqual([
      `chain forward lacks: ${HOOK}`,
      `chain forward has what is not ours: ${HOOK.replace("accept", "drop")}`,
    ]);
  });

  it("may have braces in a rule", () => {
    const rule = 'ip daddr { 10.0.0.1, 10.0.0.2 } comment "a { b" meter m {';

    expect(parseListing(listing(rule)).get("chain forward")).toEqual([HOOK, rule]);
  });

  it("are the same when one is of an inert copy and gets the hooks", () => {
    const inert = parseListing(listing("a").replace(`\t\t${HOOK}\n`, ""));
    const table = {
      name: "t",
      counters: ["c"],
      chains: [{ name: "forward", hook: HOOK, rules: ["a"] }],
    };

    expect(differencesIn(withHooks(inert, table), parseListing(listing("a")))).toEqual([]);
  });
});
