/** What SECURITY.md claims names a test for each claim: they are there, and tell of something. */
import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = path.join(import.meta.dirname, "..", "..");

const page = await readFile(path.join(ROOT, "SECURITY.md"), "utf8");
const rows = page.split("\n").filter((line) => /^\| (?!what \||attempt \||-)/.test(line));

describe("SECURITY.md", () => {
  it("names a test in each row that claims a defence", () => {
    const claims = rows.filter((row) => row.split("|").length === 5);
    expect(claims.length).toBeGreaterThan(25);
    for (const row of claims) expect(row).toMatch(/`test\/[\w/-]+\.test\.ts`/);
  });

  it.each([...new Set([...page.matchAll(/`(test\/[\w/-]+\.test\.ts)`/g)].map(([, file]) => file))])(
    "speaks of a test that is there: %s",
    async (file) => {
      expect(await readFile(path.join(ROOT, file ?? ""), "utf8")).toMatch(/\bit(?:\.each)?[(<]/);
    },
  );
});
