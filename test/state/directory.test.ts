import { execFileSync } from "node:child_process";
import {
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { StateDirectory } from "../../src/state/directory.ts";
import { memoryDirectory } from "../support/memory.ts";
import type { MemoryDirectory } from "../support/memory.ts";

const MAX_BYTES = 1_000;

const uid = process.getuid?.();
let memory: MemoryDirectory;
beforeEach(async () => {
  memory = await memoryDirectory();
});
afterEach(() => memory[Symbol.asyncDispose]());

function within(name: string): string {
  return join(memory.path, name);
}

describe("the state directory", () => {
  it("is made for its owner alone, with those above it", async () => {
    await StateDirectory.open(within("run/crossrole"), uid);

    expect((await stat(within("run/crossrole"))).mode & 0o777).toBe(0o700);
    expect((await stat(within("run"))).mode & 0o777).toBe(0o700);
  });

  it("is taken as it is when it is 0700 already, set-group-id or not", async () => {
    await mkdir(within("state"));
    await chmod(within("state"), 0o2700);

    await expect(StateDirectory.open(within("state"), uid)).resolves.toBeInstanceOf(StateDirectory);
  });

  it.each([0o755, 0o750, 0o701, 0o770, 0o500])(
    "is refused with another mode than 0700, and left so: %i",
    async (mode) => {
      await mkdir(within("state"));
      await chmod(within("state"), mode);

      await expect(StateDirectory.open(within("state"), uid)).rejects.toMatchObject({
        code: "ERR_CONFIG_INVALID",
        message: `state.directory ${within("state")} cannot be used: its mode is 0${mode.toString(8)} and must be 0700 (chmod 700 ${within("state")})`,
      });
      expect((await stat(within("state"))).mode & 0o777).toBe(mode);
    },
  );

  it("is refused on a disk, by the reason and with a way out", async () => {
    // Where the temporary directory is in memory, this file is on a disk at least.
    const disk = await mkdtemp(
      join((await isInMemory(tmpdir())) ? import.meta.dirname : tmpdir(), "state-"),
    );

    const opened = StateDirectory.open(join(disk, "state"), uid);

    await expect(opened).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringMatching(
        /is on a disk, where secrets would stay; choose .* \/dev\/shm say$/,
      ),
    });
    await rm(disk, { recursive: true });
  });

  it("is refused when it is somebody else's", async () => {
    await mkdir(within("state"), { mode: 0o700 });
    const other = (uid ?? 0) + 1;

    await expect(StateDirectory.open(within("state"), other)).rejects.toMatchObject({
      message: expect.stringContaining(`it belongs to uid ${uid}, and crossrole runs as ${other}`),
    });
  });

  it("is refused when it is a file", async () => {
    await writeFile(within("state"), "");

    await expect(StateDirectory.open(within("state"), uid)).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining("EEXIST"),
    });
  });

  it("is what a symlink points to", async () => {
    await mkdir(within("real"), { mode: 0o755 });
    await symlink("real", within("state"));

    await expect(StateDirectory.open(within("state"), uid)).rejects.toThrow("its mode is 0755");
  });
});

describe("a folder in the state directory", () => {
  it("is made for its owner alone, and taken when it is there", async () => {
    const state = await StateDirectory.open(within("state"), uid);

    await state.makeFolder("sessions");
    await state.makeFolder("sessions");

    expect((await stat(within("state/sessions"))).mode & 0o777).toBe(0o700);
  });

  it.each<[string, string, (path: string) => Promise<unknown>]>([
    ["a symlink to a disk", "it is a symlink", (path) => symlink("/etc", path)],
    ["a symlink to a right one", "it is a symlink", (path) => symlink(within("right"), path)],
    ["a symlink to nothing", "", (path) => symlink("nothing", path)],
    ["one that others can read", "its mode is 0755 and must be 0700", (path) => mkdir(path)],
    ["a file", "EEXIST", (path) => writeFile(path, "")],
  ])("is refused as the directory itself would be: %s", async (_, reason, make) => {
    const state = await StateDirectory.open(within("state"), uid);
    await mkdir(within("right"), { mode: 0o700 });
    await make(within("state/sessions"));

    await expect(state.makeFolder("sessions")).rejects.toMatchObject({
      code: "ERR_CONFIG_INVALID",
      message: expect.stringContaining(
        `state.directory ${within("state/sessions")} cannot be used: ${reason}`,
      ),
    });
  });
});

describe("a file in the state directory", () => {
  it("is its owner's alone, and replaces the one before whatever rights that had", async () => {
    const state = await StateDirectory.open(within("state"), uid);
    await writeFile(within("state/keys.json"), "old", { mode: 0o666 });

    await state.write("keys.json", "new");

    expect(await state.read("keys.json", MAX_BYTES)).toBe("new");
    expect((await stat(within("state/keys.json"))).mode & 0o777).toBe(0o600);
    expect(await readdir(within("state"))).toEqual(["keys.json"]);
  });

  it("is whole while two write it at once", async () => {
    const state = await StateDirectory.open(within("state"), uid);
    const texts = ["a", "b"].map((letter) => letter.repeat(500));
    const writes = Array.from({ length: 50 }, (_, turn) =>
      state.write("x.json", texts[turn % 2] ?? ""),
    );

    const read = await Promise.all(writes.map(() => state.read("x.json", MAX_BYTES)));
    await Promise.all(writes);

    for (const text of read) expect([undefined, ...texts]).toContain(text);
    expect(await readdir(within("state"))).toEqual(["x.json"]);
  });

  it("that cannot be written leaves nothing behind", async () => {
    const state = await StateDirectory.open(within("state"), uid);
    await mkdir(within("state/keys.json"));

    await expect(state.write("keys.json", "new")).rejects.toThrow("EISDIR");
    expect(await readdir(within("state"))).toEqual(["keys.json"]);
  });

  it("is nothing when it is not there, longer than asked for, or no file of the directory", async () => {
    const state = await StateDirectory.open(within("state"), uid);
    await mkdir(within("state/directory"));
    await writeFile(within("elsewhere.json"), "{}");
    await symlink("../elsewhere.json", within("state/link.json"));
    execFileSync("mkfifo", [within("state/pipe.json")]);
    await state.write("long.json", "x".repeat(MAX_BYTES + 1));

    for (const name of ["missing.json", "directory", "long.json", "link.json", "pipe.json"]) {
      expect(await state.read(name, MAX_BYTES)).toBeUndefined();
    }
  });

  it("that was never finished is not listed, and is removed when nobody can be writing it", async () => {
    const state = await StateDirectory.open(within("state"), uid);
    await state.makeFolder("sessions");
    for (const name of ["a.json", "b.json.123.new", "c.json.456.new"]) {
      await state.write(`sessions/${name}`, "");
    }
    const old = new Date(Date.now() - 120_000);
    await utimes(within("state/sessions/b.json.123.new"), old, old);

    expect(await state.names("sessions")).toEqual(["a.json"]);
    expect((await readdir(within("state/sessions"))).toSorted()).toEqual([
      "a.json",
      "c.json.456.new",
    ]);
  });

  it.each(["../x", "a/../x", "a/b/c", "/etc/passwd", ""])("is never at %j", async (name) => {
    const state = await StateDirectory.open(within("state"), uid);

    await expect(state.write(name, "")).rejects.toThrow(TypeError);
  });
});

async function isInMemory(path: string): Promise<boolean> {
  const probe = await mkdtemp(join(path, "probe-"));
  try {
    await StateDirectory.open(probe, uid);
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, { recursive: true });
  }
}
