import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const test = join(import.meta.dirname, "..");
const rows = readFileSync(join(import.meta.dirname, "README.md"), "utf8")
  .split("\n")
  .filter((line) => /^\| (?!clause|-)/.test(line))
  .map((line) => line.split("|").map((cell) => cell.trim()))
  .map(([, clause = "", source = "", proof = ""]) => ({ clause, source, proof }));

describe("the table of clauses", () => {
  it("is read", () => {
    expect(rows.length).toBeGreaterThan(30);
  });

  it.each(rows)("$clause: has a source and a test that exists", ({ source, proof }) => {
    const [, file = "", name = ""] = /^`([\w/.-]+)` › (.+)$/.exec(proof) ?? [];
    expect(source).not.toBe("");
    expect(name).not.toBe("");
    expect(readFileSync(join(test, file), "utf8")).toContain(name);
  });
});
