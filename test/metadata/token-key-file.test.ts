import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isTokenValid, issueToken } from "../../src/metadata/metadata-token.ts";
import { openTokenKeys } from "../../src/metadata/token-key-file.ts";
import type { KeyFileTrouble } from "../../src/metadata/token-key-file.ts";
import { StateDirectory } from "../../src/state/directory.ts";
import { memoryDirectory } from "../support/memory.ts";
import type { MemoryDirectory } from "../support/memory.ts";

const START = Date.parse("2026-11-02T12:00:00Z");
const HOUR = 3_600_000;
const AUDIENCE = { caller: "user 1000", listener: "127.0.0.1:9911" };
const FILE = "metadata-token-keys.json";
const MAX_BYTES = 4_096;

let memory: MemoryDirectory;
let state: StateDirectory;
let nowMs = START;

beforeEach(async () => {
  nowMs = START;
  memory = await memoryDirectory();
  state = await StateDirectory.open(join(memory.path, "state"), process.getuid?.());
});
afterEach(() => memory[Symbol.asyncDispose]());

function open(trouble = NONE) {
  return openTokenKeys(state, () => nowMs, trouble);
}

/** No trouble is expected. */
const NONE: KeyFileTrouble = {
  onMalformed: () => expect.unreachable("malformed"),
  onError: (error) => expect.unreachable(String(error)),
};

describe("metadata-token keys in a state directory", () => {
  it("are the next process's too: a token is good across a restart", async () => {
    const token = issueToken((await open())(), AUDIENCE, 21_600, nowMs);

    nowMs += 5 * HOUR;
    const keys = (await open())();

    expect(isTokenValid(keys, AUDIENCE, token, nowMs)).toBe(true);
  });

  it("are those of a daemon that overlaps with another: each takes the other's tokens", async () => {
    const one = await open();
    const other = await open();

    expect(isTokenValid(other(), AUDIENCE, issueToken(one(), AUDIENCE, 60, nowMs), nowMs)).toBe(
      true,
    );
    expect(isTokenValid(one(), AUDIENCE, issueToken(other(), AUDIENCE, 60, nowMs), nowMs)).toBe(
      true,
    );
  });

  it("stay good for six hours when a process replaces them at its start", async () => {
    const before = await open();
    nowMs += 23 * HOUR;
    const token = issueToken(before(), AUDIENCE, 21_600, nowMs);

    nowMs += 2 * HOUR;
    const keys = (await open())();

    expect(keys.since).toBe(nowMs);
    expect(isTokenValid(keys, AUDIENCE, token, nowMs)).toBe(true);
  });

  it.each(["", "{", "null", "[]", '{"current":"short","since":1}', '{"since":1}'])(
    "are made anew when the file says %j, and that is told once",
    async (text) => {
      await state.write(FILE, text);
      const onMalformed = vi.fn<() => void>();

      const keys = (await open({ ...NONE, onMalformed }))();

      expect(onMalformed).toHaveBeenCalledOnce();

      const token = issueToken(keys, AUDIENCE, 60, nowMs);
      expect(isTokenValid((await open())(), AUDIENCE, token, nowMs)).toBe(true);
    },
  );

  it("are not written again by a process that only reads them", async () => {
    await open();
    const text = await state.read(FILE, MAX_BYTES);
    await open();

    expect(await state.read(FILE, MAX_BYTES)).toBe(text);
  });
});

it("metadata-token keys that cannot be written are kept in memory, and that is told", async () => {
  // As where the volume is full: the directory is right, and the file cannot be put in place.
  await mkdir(join(memory.path, "state", FILE));
  const errors: unknown[] = [];

  const keys = await open({
    onMalformed: () => errors.push("malformed"),
    onError: (error) => errors.push(error),
  });

  const token = issueToken(keys(), AUDIENCE, 60, nowMs);
  expect(isTokenValid(keys(), AUDIENCE, token, nowMs)).toBe(true);
  expect(errors).toMatchObject(["malformed", { code: "EISDIR" }]);
});

it("metadata-token keys without a state directory are another process's never", async () => {
  const one = await openTokenKeys(undefined, () => nowMs, NONE);
  const other = await openTokenKeys(undefined, () => nowMs, NONE);

  const token = issueToken(one(), AUDIENCE, 60, nowMs);

  expect(isTokenValid(other(), AUDIENCE, token, nowMs)).toBe(false);
});
