import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findPrograms } from "../../src/node/programs.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "crossrole-programs-"));
  await program("nft", 'printf "%s|" "$@"; echo "$HOME$AWS_SECRET_ACCESS_KEY" >&2; exit 3');
  await program("ip", "kill -9 $$");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function program(name: string, script: string): Promise<void> {
  const file = path.join(folder, name);
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
}

describe("programs", () => {
  it("are found in PATH, and then where system programs are", async () => {
    for (const found of [
      await findPrograms(`relative:${folder}:/bin`, []),
      await findPrograms("", [folder]),
    ]) {
      expect(await found.nft()).toMatchObject({ code: 3 });
    }
  });

  it("that are missing are named with their package", async () => {
    await expect(findPrograms("relative", [])).rejects.toMatchObject({
      code: "ERR_COMMAND_FAILED",
      message: "there is no program nft in PATH: install the package nftables",
    });
  });

  it("get their arguments as they are, and nothing of the environment", async () => {
    const { nft } = await findPrograms(folder);

    expect(await nft("a b", "$(id)", "; x\ny", "*")).toEqual({
      code: 3,
      stdout: "a b|$(id)|; x\ny|*|",
      stderr: "\n",
    });
  });

  it("that end by a signal are an error", async () => {
    const { ip } = await findPrograms(folder);

    await expect(ip("link")).rejects.toMatchObject({
      code: "ERR_COMMAND_FAILED",
      message: expect.stringContaining("cannot run ip ("),
    });
  });
});
