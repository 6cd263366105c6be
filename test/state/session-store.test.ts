import { mkdir, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sessionKey } from "../../src/credentials/session-key.ts";
import { TemporaryCredentials } from "../../src/credentials/types.ts";
import type { RoleSession } from "../../src/credentials/types.ts";
import { StateDirectory } from "../../src/state/directory.ts";
import { fileNameOf } from "../../src/state/saved-session.ts";
import type { MachineInstant } from "../../src/state/saved-session.ts";
import { SessionStore } from "../../src/state/session-store.ts";
import { BASE, HOUR, MINUTE, roleNamed } from "../credentials/support.ts";
import { CANARY } from "../support/fake-sts.ts";
import { memoryDirectory } from "../support/memory.ts";
import type { MemoryDirectory } from "../support/memory.ts";

const READER = roleNamed("reader");
const START: MachineInstant = { wallMs: Date.parse("2026-11-02T12:00:00Z"), uptimeMs: 5 * HOUR };

let memory: MemoryDirectory;
let state: StateDirectory;
/** What the stores have told, in order. */
const told: string[] = [];
let clock = START;

beforeEach(async () => {
  memory = await memoryDirectory();
  state = await StateDirectory.open(join(memory.path, "state"), process.getuid?.());
  told.length = 0;
  clock = START;
});
afterEach(() => memory[Symbol.asyncDispose]());

/** A store, as a process has it that starts now. */
async function startStore() {
  const store = new SessionStore({
    state,
    onMalformed: (count) => told.push(`${count} malformed`),
    onError: (error) => told.push(String(error)),
    now: () => clock,
  });
  return { store, loaded: await store.load() };
}

/** Time passes on the wall clock, and on the machine's own unless that is said to differ. */
function pass(wallMs: number, uptimeMs = wallMs): void {
  clock = { wallMs: clock.wallMs + wallMs, uptimeMs: clock.uptimeMs + uptimeMs };
}

function credentials(serial = 1, lifeMs = HOUR): TemporaryCredentials {
  return new TemporaryCredentials({
    accessKeyId: `ASIA0000000${serial}EXAMPLE`,
    secretAccessKey: `${CANARY}/secret/${serial}`,
    sessionToken: `${CANARY}/token/${serial}`,
    expiration: new Date(clock.wallMs + lifeMs),
    issuedAt: new Date(clock.wallMs),
    requestId: `request-${serial}`,
  });
}

function obtained(store: SessionStore, source: RoleSession, held = credentials()): void {
  store.onEvent({ type: "obtained", source, credentials: held, renewal: false, elapsedMs: 1 });
}

function files(): Promise<string[]> {
  return readdir(join(memory.path, "state/sessions"));
}

function fileOf(source: RoleSession): string {
  return join(memory.path, "state/sessions", fileNameOf(sessionKey(source)));
}

describe("a session that was obtained", () => {
  it("is there for the next process, whole, under its key", async () => {
    const { store } = await startStore();
    const held = credentials();
    obtained(store, READER, held);
    await store.flush();

    pass(MINUTE);
    const { loaded } = await startStore();

    expect(loaded).toHaveLength(1);
    const [restored] = loaded;
    expect(restored).toMatchObject({ key: sessionKey(READER), credentials: held });
    expect(restored?.credentials.secretAccessKey).toBe(held.secretAccessKey);
    expect(restored?.credentials.sessionToken).toBe(held.sessionToken);
    expect(restored?.obtained.wallMs).toBe(START.wallMs);
    expect(performance.now() - (restored?.obtained.monotonicMs ?? 0)).toBeCloseTo(MINUTE, -3);
  });

  it("is in a file that nobody else can read, under a name that says nothing of it", async () => {
    const { store } = await startStore();
    obtained(store, roleNamed("reader", { externalId: "partner-7f2c" }));
    await store.flush();

    const [name = ""] = await files();

    expect(name).toMatch(/^[0-9a-f]{64}\.json$/);
    expect((await stat(join(memory.path, "state/sessions", name))).mode & 0o777).toBe(0o600);
    expect((await stat(join(memory.path, "state/sessions"))).mode & 0o777).toBe(0o700);
  });

  it("is in the files as it was last, however often it has changed meanwhile", async () => {
    const { store } = await startStore();
    for (let serial = 1; serial <= 9; serial++) obtained(store, READER, credentials(serial));
    await store.flush();

    const { loaded } = await startStore();

    expect(loaded.map((one) => one.credentials.accessKeyId)).toEqual(["ASIA00000009EXAMPLE"]);
  });

  it.each(["lapsed", "dropped"] as const)("is gone from the files when it has %s", async (type) => {
    const { store } = await startStore();
    obtained(store, READER);
    obtained(store, roleNamed("other"));
    store.onEvent({ type, source: READER });
    await store.flush();

    expect(await files()).toEqual([fileNameOf(sessionKey(roleNamed("other")))]);
  });

  it("shows no secret when the store is inspected while it writes", async () => {
    const { store } = await startStore();
    obtained(store, READER);

    expect(inspect(store, { depth: 20, showHidden: true })).not.toContain(CANARY);
    await store.flush();
  });
});

describe("what is never written", () => {
  it("base credentials, whatever they are", async () => {
    const { store } = await startStore();
    store.onEvent({
      type: "obtained",
      source: BASE,
      credentials: credentials(),
      renewal: false,
      elapsedMs: 1,
    });
    await store.flush();

    expect(await files()).toEqual([]);
  });

  it("a failure", async () => {
    const { store } = await startStore();
    obtained(store, READER);
    const error = new Error("STS is down");
    store.onEvent({ type: "failed", source: READER, error, remainingMs: 0, retryInMs: 1 });
    await store.flush();

    expect(await files()).toHaveLength(1);
  });
});

describe("at the start", () => {
  it("what has expired is removed, and not taken", async () => {
    const { store } = await startStore();
    obtained(store, READER);
    await store.flush();

    pass(HOUR);
    const { store: next, loaded } = await startStore();
    await next.flush();

    expect(loaded).toEqual([]);
    expect(await files()).toEqual([]);
    expect(told).toEqual([]);
  });

  it("the age counts by the machine's own clock when the wall clock was set back meanwhile", async () => {
    const { store } = await startStore();
    obtained(store, READER);
    await store.flush();

    pass(-HOUR, 50 * MINUTE);
    const { loaded } = await startStore();

    expect(performance.now() - (loaded[0]?.obtained.monotonicMs ?? 0)).toBeCloseTo(50 * MINUTE, -3);
  });

  it("what was written before the machine started is not taken", async () => {
    const { store } = await startStore();
    obtained(store, READER);
    await store.flush();

    pass(MINUTE, -HOUR);
    const { loaded } = await startStore();

    expect(loaded).toEqual([]);
  });

  it.each<[string, (text: string) => string]>([
    ["is empty", () => ""],
    ["was cut off", (text) => text.slice(0, 100)],
    ["is no JSON", () => "\0\u{FFFF}{"],
    ["is null", () => "null"],
    ["is a list", () => "[]"],
    [
      "has no secret",
      (text) => JSON.stringify({ ...JSON.parse(text), secretAccessKey: undefined }),
    ],
    [
      "has a number for a token",
      (text) => JSON.stringify({ ...JSON.parse(text), sessionToken: 1 }),
    ],
    ["has no date", (text) => JSON.stringify({ ...JSON.parse(text), expiration: "tomorrow" })],
    [
      "has no instant",
      (text) => JSON.stringify({ ...JSON.parse(text), obtained: { wallMs: "1" } }),
    ],
    ["is of another version", (text) => JSON.stringify({ ...JSON.parse(text), version: 2 })],
    ["is of another session", (text) => JSON.stringify({ ...JSON.parse(text), key: "other" })],
    ["is too long", (text) => JSON.stringify({ ...JSON.parse(text), more: "x".repeat(70_000) })],
  ])("a file that %s is ignored, told of and removed; the others are taken", async (_, change) => {
    const { store } = await startStore();
    obtained(store, READER);
    obtained(store, roleNamed("other"));
    await store.flush();
    await writeFile(fileOf(READER), change(await readFile(fileOf(READER), "utf8")));

    const { store: next, loaded } = await startStore();
    await next.flush();

    expect(loaded.map(({ key }) => key)).toEqual([sessionKey(roleNamed("other"))]);
    expect(told).toEqual(["1 malformed"]);
    expect(await files()).toHaveLength(1);
  });

  it("what nobody has wanted in the end is removed, and what was wanted stays", async () => {
    const { store } = await startStore();
    obtained(store, READER);
    obtained(store, roleNamed("other"));
    await store.flush();

    const { store: next } = await startStore();
    next.onEvent({ type: "restored", source: READER, credentials: credentials() });
    next.removeUnclaimed();
    await next.flush();

    expect(await files()).toEqual([fileNameOf(sessionKey(READER))]);
  });
});

describe("a directory that cannot be written", () => {
  it("is told of once, until it can be again", async () => {
    const { store } = await startStore();
    // The file's place is taken by a directory that is not empty.
    await mkdir(join(fileOf(READER), "x"), { recursive: true });
    obtained(store, READER, credentials(1));
    await store.flush();
    obtained(store, READER, credentials(2));
    await store.flush();
    await rm(fileOf(READER), { recursive: true });
    obtained(store, READER, credentials(3));
    await store.flush();

    const { loaded } = await startStore();

    expect(told).toHaveLength(1);
    expect(loaded.map((one) => one.credentials.accessKeyId)).toEqual(["ASIA00000003EXAMPLE"]);
  });
});

describe("sessions that the cache has pushed out", () => {
  it("leave no files behind once they have expired", async () => {
    const { store } = await startStore();
    obtained(store, roleNamed("old"));
    await store.flush();

    pass(HOUR);
    obtained(store, READER, credentials(2));
    await store.flush();

    expect(await files()).toEqual([fileNameOf(sessionKey(READER))]);
  });
});
