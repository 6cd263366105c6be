import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Log, LogFields } from "../../src/log.ts";
import { reconcile } from "../../src/node/reconcile.ts";
import type { Run } from "../../src/node/programs.ts";
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
/** How long each program takes. */
let runMs: number;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date", "performance"] });
  node = fakeNode();
  lines = [];
  stop = new AbortController();
  isBroken = false;
  runMs = 0;
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

function start(intervalMs = INTERVAL_MS): Promise<void> {
  const log: Log = {
    debug: () => undefined,
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
  const { nft, ip } = fakePrograms((call) =>
    isBroken ? failing("Error: busy") : node.answer(call),
  );
  const programs = { nft: slow(nft), ip: slow(ip) };
  return reconcile({
    programs,
    wanted: DEFAULT,
    intervalMs,
    log,
    signal: stop.signal,
  });
}

function slow(run: Run): Run {
  return async (...args) => {
    if (runMs > 0) await new Promise((resolve) => setTimeout(resolve, runMs));
    return await run(...args);
  };
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

  it("asks for no timer in the past when a look at the guard ends after its turn: Node warns of those", async () => {
    const timers = vi.spyOn(globalThis, "setTimeout");
    const ended = start(2_500);
    await vi.advanceTimersByTimeAsync(0);
    runMs = 1_100;
    await nextLook();
    await nextLook();
    stop.abort();
    await nextLook();
    await ended;

    expect(timers.mock.calls.map(([, ms]) => ms).filter((ms = 0) => ms < 0)).toEqual([]);
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
