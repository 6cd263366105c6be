import { readFileSync } from "node:fs";
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { AuthorizationToken } from "../../src/callers/types.ts";
import { AuthorizationTokens, newToken } from "../../src/container/authorization.ts";

const HOUR_MS = 3_600_000;
const GIVEN = "CANARY-given-token-0123456789";

let directory: string;
let path: string;
const errors: unknown[] = [];
const opened: AuthorizationTokens[] = [];

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "crossrole-token-"));
  path = join(directory, "token");
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});

afterEach(async () => {
  for (const tokens of opened.splice(0)) tokens.close();
  errors.length = 0;
  vi.useRealTimers();
  await rm(directory, { recursive: true, force: true });
});

const inFile = (file = path): AuthorizationToken => ({ kind: "file", path: file });
const given = (value = GIVEN): AuthorizationToken => ({ kind: "value", value });

function closed(): AuthorizationTokens {
  const tokens = new AuthorizationTokens({
    uid: process.getuid?.(),
    onError: (error) => errors.push(error),
  });
  opened.push(tokens);
  return tokens;
}

async function tokensOf(sources: Record<string, AuthorizationToken>): Promise<AuthorizationTokens> {
  const tokens = closed();
  await reload(tokens, sources);
  return tokens;
}

async function reload(
  tokens: AuthorizationTokens,
  sources: Record<string, AuthorizationToken>,
): Promise<void> {
  using prepared = await tokens.prepare(new Map(Object.entries(sources)));
  await prepared.take();
}

/** What a client is told that shows `token` as the reader's. */
async function authorized(tokens: AuthorizationTokens, token: string): Promise<boolean> {
  return await tokens.isAuthorized("reader", token);
}

/** Lets the hour pass; settles when the file at `file` says something else than before. */
async function rotated(file = path): Promise<string> {
  const before = await readFile(file, "utf8");
  vi.advanceTimersByTime(HOUR_MS);
  let now = before;
  while (now === before) now = await readFile(file, "utf8");
  return now;
}

describe("a token in a file", () => {
  it("is 256 random bits on one line without an end, for its owner alone, and nothing else is left", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const token = await readFile(path, "utf8");

    expect(token).toMatch(/^[\w-]{43}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["token"]);
    expect(tokens.isAuthorized("reader", token)).toBe(true);
  });

  it("is for its owner alone although a file with other rights was there", async () => {
    await writeFile(path, "old", { mode: 0o666 });
    await writeFile(`${path}.new`, "left by a crash", { mode: 0o666 });

    await tokensOf({ reader: inFile() });

    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(directory)).toEqual(["token"]);
  });

  it("is another one for each role and each run", async () => {
    const other = join(directory, "other");
    const tokens = await tokensOf({ reader: inFile(), writer: inFile(other) });
    const [mine, theirs] = [await readFile(path, "utf8"), await readFile(other, "utf8")];

    expect(mine).not.toBe(theirs);
    expect(await tokens.isAuthorized("writer", mine)).toBe(false);
    expect(await tokens.isAuthorized("reader", theirs)).toBe(false);
  });

  it("is replaced every hour; the one before is good for an hour more, the one before that is not", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const first = await readFile(path, "utf8");
    const second = await rotated();

    expect([first, second].map((token) => tokens.isAuthorized("reader", token))).toEqual([
      true,
      true,
    ]);

    const third = await rotated();

    expect(await authorized(tokens, first)).toBe(false);
    expect([second, third].map((token) => tokens.isAuthorized("reader", token))).toEqual([
      true,
      true,
    ]);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(errors).toEqual([]);
  });

  it("is whole and accepted for whoever reads the file at any moment, over fifty rotations", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const seen = new Set([await readFile(path, "utf8")]);
    while (seen.size < 50) {
      vi.advanceTimersByTime(HOUR_MS);
      const size = seen.size;
      while (seen.size === size) {
        const token = readFileSync(path, "utf8");
        expect(token).toMatch(/^[\w-]{43}$/);
        expect(tokens.isAuthorized("reader", token)).toBe(true);
        seen.add(token);
        await new Promise(setImmediate);
      }
    }
    expect(errors).toEqual([]);
  });

  it("is replaced on the hour although the configuration is reloaded every half of it", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const first = await readFile(path, "utf8");
    vi.advanceTimersByTime(HOUR_MS / 2);
    await reload(tokens, { reader: inFile() });
    vi.advanceTimersByTime(HOUR_MS / 2);

    const isReplaced = async () => (await readFile(path, "utf8")) !== first;
    expect(await vi.waitUntil(isReplaced, { interval: 1 })).toBe(true);
  });

  it("stays good when the next one cannot be written, and that is told", async () => {
    const inner = join(directory, "inner");
    await mkdir(inner);
    const file = join(inner, "token");
    const tokens = await tokensOf({ reader: inFile(file) });
    const token = await readFile(file, "utf8");
    await rm(inner, { recursive: true });

    vi.advanceTimersByTime(HOUR_MS);
    await vi.waitUntil(() => errors.length > 0, { interval: 1 });
    expect(errors).toMatchObject([
      { code: "ERR_CONFIG_INVALID", message: expect.stringContaining(file) },
    ]);
    expect(tokens.isAuthorized("reader", token)).toBe(true);

    await mkdir(inner);
    await writeFile(file, "gone");
    await rotated(file);
    expect(tokens.isAuthorized("reader", token)).toBe(true);
    expect(tokens.isAuthorized("reader", await readFile(file, "utf8"))).toBe(true);
  });

  it.each(["/dev/null/token", "/nonexistent/token", "/"])(
    "at %s is a configuration error that names it",
    async (file) => {
      await expect(closed().prepare(new Map([["reader", inFile(file)]]))).rejects.toMatchObject({
        code: "ERR_CONFIG_INVALID",
        message: expect.stringContaining(`the authorization token cannot be written to ${file}: `),
      });
    },
  );

  it("is no longer replaced once all is closed", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const token = await readFile(path, "utf8");
    tokens.close();

    vi.advanceTimersByTime(3 * HOUR_MS);
    await new Promise(setImmediate);

    expect(await readFile(path, "utf8")).toBe(token);
  });
});

describe("a token that the run before left in the file", () => {
  it("is accepted until the next is replaced", async () => {
    const before = await tokensOf({ reader: inFile() });
    const left = await readFile(path, "utf8");
    before.close();

    const tokens = await tokensOf({ reader: inFile() });
    expect(await readFile(path, "utf8")).not.toBe(left);
    expect(tokens.isAuthorized("reader", left)).toBe(true);

    await rotated();
    expect(await tokens.isAuthorized("reader", left)).toBe(false);
  });

  it.each([
    ["empty", ""],
    ["short", "fifteen-letters"],
    ["with a newline", `${newToken()}\n`],
    ["with blanks", "a b c d e f g h i j k l m n"],
    ["too long", "x".repeat(4_097)],
  ])("is none when it is %s", async (_, text) => {
    await writeFile(path, text, { mode: 0o600 });

    const tokens = await tokensOf({ reader: inFile() });

    expect(await tokens.isAuthorized("reader", text)).toBe(false);
    expect(tokens.isAuthorized("reader", await readFile(path, "utf8"))).toBe(true);
  });

  it.each(["620", "602", "666"])(
    "is none when others could have written it: mode %s",
    async (mode) => {
      const planted = newToken();
      await writeFile(path, planted);
      await chmod(path, Number.parseInt(mode, 8));

      const tokens = await tokensOf({ reader: inFile() });

      expect(await tokens.isAuthorized("reader", planted)).toBe(false);
    },
  );

  it("is none behind a link, which is replaced and not followed", async () => {
    const target = join(directory, "target");
    const planted = newToken();
    await writeFile(target, planted, { mode: 0o600 });
    await symlink(target, path);

    const tokens = await tokensOf({ reader: inFile() });

    expect(await tokens.isAuthorized("reader", planted)).toBe(false);
    expect(await readFile(target, "utf8")).toBe(planted);
    expect(await readFile(path, "utf8")).toMatch(/^[\w-]{43}$/);
  });
});

describe("a token that was given", () => {
  it("is accepted, in no file, and stays what it is", async () => {
    const tokens = await tokensOf({ reader: given() });
    vi.advanceTimersByTime(10 * HOUR_MS);

    expect(tokens.isAuthorized("reader", GIVEN)).toBe(true);
    expect(await readdir(directory)).toEqual([]);
  });

  it.each(["", GIVEN.slice(1), `${GIVEN}x`, GIVEN.toLowerCase(), ` ${GIVEN}`, "x".repeat(10_000)])(
    "is not %j",
    async (presented) => {
      expect((await tokensOf({ reader: given() })).isAuthorized("reader", presented)).toBe(false);
    },
  );

  it.each(["", "writer", "Reader", "__proto__", "constructor", "toString"])(
    "opens no role called %j",
    async (name) => {
      expect((await tokensOf({ reader: given() })).isAuthorized(name, GIVEN)).toBe(false);
    },
  );
});

describe("a token that another daemon writes to the file", () => {
  it("is accepted beside this one's own, by either, whoever replaces it", async () => {
    const old = await tokensOf({ reader: inFile() });
    const first = await readFile(path, "utf8");
    const next = await tokensOf({ reader: inFile() });
    const second = await readFile(path, "utf8");

    for (const token of [first, second]) {
      expect(await authorized(old, token)).toBe(true);
      expect(await authorized(next, token)).toBe(true);
    }
    next.close();
    const third = await rotated();

    expect(await authorized(next, third)).toBe(true);
    for (const token of [first, second, third]) expect(await authorized(old, token)).toBe(true);
  });

  it("is good for as long as this one's own, and no longer", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const written = newToken();
    await writeFile(path, written, { mode: 0o600 });
    expect(await authorized(tokens, written)).toBe(true);

    await rotated();
    expect(await authorized(tokens, written)).toBe(true);

    await rotated();
    expect(await authorized(tokens, written)).toBe(false);
  });

  it("is one of few: whoever writes again and again fills no memory", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const written = Array.from({ length: 6 }, newToken);
    for (const token of written) {
      await rm(path);
      await writeFile(path, token, { mode: 0o600 });
      expect(await authorized(tokens, token)).toBe(true);
    }

    expect(await authorized(tokens, written[0] ?? "")).toBe(false);
    expect(await authorized(tokens, written[5] ?? "")).toBe(true);
  });

  it("is none when others could have written it, behind a link, or as another user's", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const foreign = new AuthorizationTokens({ uid: 4_242, onError: (error) => errors.push(error) });
    opened.push(foreign);
    await reload(foreign, { reader: inFile() });
    const planted = newToken();
    await writeFile(path, planted);
    await chmod(path, 0o620);

    expect(await authorized(tokens, planted)).toBe(false);

    await chmod(path, 0o600);
    expect(await authorized(foreign, planted)).toBe(false);

    const link = join(directory, "link");
    const behind = await tokensOf({ reader: inFile(link) });
    await rm(link);
    await symlink(path, link);
    expect(await authorized(behind, planted)).toBe(false);
  });

  it("opens no other role, and none that has no file", async () => {
    const tokens = await tokensOf({ reader: inFile(), writer: given() });
    const written = newToken();
    await writeFile(path, written, { mode: 0o600 });

    for (const name of ["writer", "another", ""])
      expect(await tokens.isAuthorized(name, written)).toBe(false);
    expect(await authorized(tokens, written)).toBe(true);
  });
});

describe("a reload", () => {
  it("keeps the token of a role that keeps its source, in the file and in memory", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const token = await readFile(path, "utf8");

    await reload(tokens, { reader: inFile(), writer: given() });

    expect(await readFile(path, "utf8")).toBe(token);
    expect(tokens.isAuthorized("reader", token)).toBe(true);
    expect(tokens.isAuthorized("writer", GIVEN)).toBe(true);
  });

  it("writes no file and accepts nothing before it is offered, and nothing after it is dropped", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    const token = await readFile(path, "utf8");
    const prepared = await tokens.prepare(
      new Map(Object.entries({ writer: inFile(), other: given() })),
    );

    expect(tokens.isAuthorized("writer", token)).not.toBe(true);
    prepared.offer();
    expect(tokens.isAuthorized("writer", token)).toBe(true);
    expect(tokens.isAuthorized("other", GIVEN)).toBe(true);
    prepared[Symbol.dispose]();

    expect(await tokens.isAuthorized("writer", token)).toBe(false);
    expect(await tokens.isAuthorized("other", GIVEN)).toBe(false);
    expect(await readFile(path, "utf8")).toBe(token);
    expect(tokens.isAuthorized("reader", token)).toBe(true);
  });

  it("changes nothing before it is taken over", async () => {
    const tokens = await tokensOf({ reader: given() });
    using prepared = await tokens.prepare(new Map([["writer", given()]]));

    expect(tokens.isAuthorized("reader", GIVEN)).toBe(true);
    expect(await tokens.isAuthorized("writer", GIVEN)).toBe(false);
    await prepared.take();
    expect(await tokens.isAuthorized("reader", GIVEN)).toBe(false);
    expect(tokens.isAuthorized("writer", GIVEN)).toBe(true);
  });

  it("ends the token of a role that is gone or has another source", async () => {
    const tokens = await tokensOf({ reader: inFile(), writer: given() });
    const token = await readFile(path, "utf8");

    await reload(tokens, { reader: given(`${GIVEN}-2`) });

    expect(await tokens.isAuthorized("reader", token)).toBe(false);
    expect(tokens.isAuthorized("reader", `${GIVEN}-2`)).toBe(true);
    expect(await tokens.isAuthorized("writer", GIVEN)).toBe(false);
  });

  it("that a rotation falls into takes over what is in the file", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    using prepared = await tokens.prepare(new Map([["reader", inFile()]]));
    const token = await rotated();

    await prepared.take();

    expect(tokens.isAuthorized("reader", token)).toBe(true);
  });

  it("that falls into a rotation is not undone by it", async () => {
    const tokens = await tokensOf({ reader: inFile() });
    using prepared = await tokens.prepare(new Map([["reader", given()]]));
    const before = await readFile(path, "utf8");
    vi.advanceTimersByTime(HOUR_MS);
    await prepared.take();
    await vi.waitUntil(async () => (await readFile(path, "utf8")) !== before, { interval: 1 });
    await new Promise(setImmediate);

    expect(tokens.isAuthorized("reader", GIVEN)).toBe(true);
    expect(await tokens.isAuthorized("reader", await readFile(path, "utf8"))).toBe(false);
  });
});
