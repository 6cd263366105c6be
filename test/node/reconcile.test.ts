import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Log, LogFields } from "../../src/log.ts";
import { reconcile } from "../../src/node/reconcile.ts";
import { DEFAULT, failing, fakeNode, fakePrograms } from "./support.ts";
import type { FakeNode } from "./support.ts";

const INTERVAL_MS = 30_000;

interface Entry {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

let node: FakeNode;
let lines: Entry[];
let stop: AbortController;
let isBroken: boolean;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  node = fakeNode();
  lines = [];
  stop = new AbortController();
  isBroken = false;
});
afterEach(() => {
  stop.abort();
  vi.useRealTimers();
});

function line(level: string): (event: string, fields?: LogFields) => void {
  return (event, fields = {}) => {
    lines.push({ level, event, fields });
  };
}

function start(): Promise<void> {
  const log: Log = {
    debug: () => undefined,
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
  const programs = fakePrograms((call) => (isBroken ? failing("Error: busy") : node.answer(call)));
  return reconcile({
    programs,
    wanted: DEFAULT,
    intervalMs: INTERVAL_MS,
    log,
    signal: stop.signal,
  });
}

async function nextLook(): Promise<void> {
  await vi.advanceTimersByTimeAsync(INTERVAL_MS);
}

describe("reconciliation", () => {
  it("looks at every interval, and says nothing while all is in place", async () => {
    const ended = start();
    await nextLook();
    await nextLook();
    stop.abort();
    await ended;

    expect(lines.map(({ event }) => event)).toEqual(["interception in place"]);
  });

  it("restores what is lost, with one line that says what", async () => {
    const ended = start();
    await vi.advanceTimersByTimeAsync(1_000);
    node.tables.delete("crossrole_guard");
    node.addresses.delete("169.254.171.254/32");
    await nextLook();
    stop.abort();
    await ended;

    expect([...node.tables.keys()].toSorted()).toEqual(["crossrole_guard", "crossrole_nat"]);
    expect(lines.slice(1)).toEqual([
      {
        level: "warn",
        event: "interception restored",
        fields: {
          lost: "guard: table inet crossrole_guard is not loaded; address: 169.254.171.254/32 is not on crossrole0",
        },
      },
    ]);
  });

  it("looks at the guard much more often", async () => {
    const ended = start();
    await vi.advanceTimersByTimeAsync(1_000);
    node.tables.delete("crossrole_guard");
    await vi.advanceTimersByTimeAsync(2_000);
    const [, restored] = lines;
    node.tables.delete("crossrole_nat");
    await vi.advanceTimersByTimeAsync(2_000);
    stop.abort();
    await ended;

    expect(restored?.fields).toEqual({ lost: "guard: table inet crossrole_guard is not loaded" });
    expect([...node.tables.keys()]).toEqual(["crossrole_guard"]);
  });

  it("tries again when it cannot restore, and says why once", async () => {
    const ended = start();
    await vi.advanceTimersByTimeAsync(1_000);
    node.tables.clear();
    isBroken = true;
    await nextLook();
    isBroken = false;
    await nextLook();
    stop.abort();
    await ended;

    const events = lines.slice(1).map(({ level, event }) => `${level} ${event}`);
    expect(events).toEqual(["error interception not restored", "warn interception restored"]);
    expect(lines[1]?.fields).toEqual({
      reason: "cannot list table inet crossrole_guard: nft says busy",
    });
  });

  it("fails at its start when it cannot install", async () => {
    isBroken = true;

    await expect(start()).rejects.toThrow("busy");
  });

  it("removes nothing at its end", async () => {
    const ended = start();
    await vi.advanceTimersByTimeAsync(1_000);
    stop.abort();
    await ended;

    expect([...node.tables.keys()].toSorted()).toEqual(["crossrole_guard", "crossrole_nat"]);
    expect(node.addresses.size).toBe(2);
  });
});
