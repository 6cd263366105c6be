import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "..");
let house: string;

beforeAll(async () => {
  house = await mkdtemp(join(tmpdir(), "crossrole-architecture-"));
  await cp(join(root, "src"), join(house, "src"), { recursive: true });
  for (const file of [".oxlintrc.json", "package.json", "tsconfig.json"]) {
    await cp(join(root, file), join(house, file));
  }
  await symlink(join(root, "node_modules"), join(house, "node_modules"));
});

afterAll(() => rm(house, { recursive: true, force: true }));

/** What the linter says of `source` at `path` in a copy of the house; empty when nothing. */
async function lint(path: string, source: string): Promise<string> {
  const file = join(house, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, source);
  try {
    const oxlint = join(root, "node_modules", ".bin", "oxlint");
    await promisify(execFile)(oxlint, ["-c", ".oxlintrc.json", path], { cwd: house });
    return "";
  } catch (error) {
    return error instanceof Error && "stdout" in error ? String(error.stdout) : String(error);
  } finally {
    await rm(file);
  }
}

describe("import rules of the house", () => {
  it.each([
    ["src/credentials/planted.ts", 'import { readFile } from "node:fs/promises";'],
    [
      "src/credentials/planted.ts",
      'import { connectSts as readFile } from "../sts/sts-client.ts";',
    ],
    ["src/credentials/planted.ts", 'import { z as readFile } from "zod";'],
    ["src/credentials/planted.ts", 'import { createLog as readFile } from "../log.ts";'],
    ["src/metadata/planted.ts", 'import { connectSts as readFile } from "../sts/sts-client.ts";'],
    ["src/metadata/planted.ts", 'import { loadConfig as readFile } from "../config/load.ts";'],
    ["src/metadata/planted.ts", 'import { STSClient as readFile } from "@aws-sdk/client-sts";'],
    ["src/container/planted.ts", 'import { metadataApp as readFile } from "../metadata/app.ts";'],
    ["src/sts/planted.ts", 'import { listen as readFile } from "../http/listener.ts";'],
    ["src/sts/planted.ts", 'import { loadConfig as readFile } from "../config/load.ts";'],
    ["src/callers/planted.ts", 'import { connectSts as readFile } from "../sts/sts-client.ts";'],
    ["src/http/planted.ts", 'import { startDaemon as readFile } from "../daemon.ts";'],
    ["src/config/planted.ts", 'import { STSClient as readFile } from "@aws-sdk/client-sts";'],
    ["src/operations/planted.ts", 'import { metadataApp as readFile } from "../metadata/app.ts";'],
    ["src/state/planted.ts", 'import { connectSts as readFile } from "../sts/sts-client.ts";'],
    ["src/explain/planted.ts", 'import { startDaemon as readFile } from "../daemon.ts";'],
    ["src/explain/planted.ts", 'import { STSClient as readFile } from "@aws-sdk/client-sts";'],
    ["src/daemon-planted.ts", 'import { load as readFile } from "./commands/options.ts";'],
  ])("%s must not have: %s", async (path, line) => {
    expect(await lint(path, `${line}\n\nexport const used = readFile;\n`)).toContain(
      "no-restricted-imports",
    );
  });

  it.each(["src/planted.ts", "src/sts/planted.ts", "src/credentials/planted.ts"])(
    "%s must not touch the process",
    async (path) => {
      expect(await lint(path, "export const home = process.env;\n")).toContain(
        "no-restricted-globals",
      );
      const imported = 'import { env } from "node:process";\n\nexport const home = env;\n';
      expect(await lint(path, imported)).toContain("no-restricted-imports");
    },
  );

  it("there are no default exports and no cycles", async () => {
    expect(await lint("src/planted.ts", "export default 1;\n")).toContain("no-default-export");
    await writeFile(join(house, "src/other.ts"), 'export { a } from "./planted.ts";\n');
    expect(
      await lint("src/planted.ts", 'export { a as b } from "./other.ts";\nexport const a = 1;\n'),
    ).toContain("no-cycle");
    await rm(join(house, "src/other.ts"));
  });

  it("and a file that keeps to them is left alone", async () => {
    const good = 'import { messageOf } from "../errors.ts";\n\nexport const words = messageOf;\n';
    expect(await lint("src/credentials/planted.ts", good)).toBe("");
  });
});
