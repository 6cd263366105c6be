/** @module What a daemon makes of a state directory that somebody else has had a hand in. */
import { execFileSync } from "node:child_process";
import { mkdir, readdir, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openState } from "../src/saved-state.ts";
import { memoryLog } from "./support/daemon.ts";
import { memoryDirectory } from "./support/memory.ts";
import type { MemoryDirectory } from "./support/memory.ts";

let memory: MemoryDirectory;
let directory = "";
let sessions = "";

beforeEach(async () => {
  memory = await memoryDirectory();
  directory = join(memory.path, "state");
  sessions = join(directory, "sessions");
  await mkdir(directory, { mode: 0o700 });
});
afterEach(() => memory[Symbol.asyncDispose]());

async function open() {
  const log = memoryLog();
  const state = await openState(directory, { uid: process.getuid?.(), log });
  await state.close();
  return { state, log };
}

describe("a state directory", () => {
  it("that is new is no trouble, nor is what was left in it", async () => {
    const first = await open();
    const second = await open();

    expect([...first.log.lines, ...second.log.lines]).toEqual([]);
  });

  it.each<[string, (file: string) => unknown]>([
    ["damaged files", (file) => writeFile(file, "{")],
    ["pipes", (file) => execFileSync("mkfifo", [file])],
    ["links", (file) => symlink("/dev/zero", file)],
  ])("with %s in it is used, with a warning of each kind", async (_, put) => {
    const keys = join(directory, "metadata-token-keys.json");
    await mkdir(sessions, { mode: 0o700 });
    for (const file of [keys, join(sessions, `${"0".repeat(64)}.json`)]) await put(file);

    const { state, log } = await open();

    expect(state.sessions).toEqual([]);
    expect(log.lines).toEqual([
      {
        level: "warn",
        event: "saved sessions ignored: they cannot be read",
        fields: { files: 1 },
      },
      {
        level: "warn",
        event: expect.stringMatching(/^saved metadata-token keys ignored: they cannot be read/),
        fields: {},
      },
    ]);
    expect(await readdir(sessions)).toEqual([]);
    expect((await stat(keys)).isFile()).toBe(true);
  });

  it("that would have sessions written elsewhere is refused, with one reason", async () => {
    await symlink(tmpdir(), sessions);

    await expect(open()).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: `state.directory ${sessions} cannot be used: it is a symlink`,
    });
  });
});
