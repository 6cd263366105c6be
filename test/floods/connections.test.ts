/** @module Threat S31: connections without end, and log lines without end. */
import { connect } from "node:net";
import type { Socket } from "node:net";
import { afterEach, expect, it } from "vitest";
import { eventually } from "../support/program.ts";
import { PUT_TOKEN, askAfterwards, askMeanwhile } from "./flood.ts";
import { DaemonProcess, MEASURED } from "./process.ts";

const IDLE = 5_000;
/** As in src/http/connections.ts. */
const MAX_PER_PEER = 1_024;
const MAX_IN_ALL = 4_096;

const MAX_GROWTH_MIB = 10;
const SECONDS = 1_000;

const opened: Socket[] = [];

afterEach(leave);

/** By reset: closed in order, each would stay in the kernel's table of sockets for a minute. */
function leave(): void {
  for (const socket of opened.splice(0)) socket.resetAndDestroy();
}

/** Connections from `peer` that have sent `text` and then sit there. */
async function open(
  { port }: DaemonProcess,
  count: number,
  peer: (index: number) => string,
  text = "",
): Promise<void> {
  const settled: Promise<void>[] = [];
  for (let index = 0; index < count; index++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = connect({ host: "127.0.0.1", port, localAddress: peer(index) });
    socket.on("error", () => resolve()).once("close", () => resolve());
    socket.once("connect", () => {
      if (text !== "") socket.write(text);
      resolve();
    });
    socket.resume();
    opened.push(socket);
    settled.push(promise);
    // A listen queue has room for a few hundred.
    if (index % 100 === 99) await Promise.all(settled);
  }
  await Promise.all(settled);
}

function alive(): number {
  return opened.filter((socket) => !socket.destroyed && socket.readyState === "open").length;
}

/** {@link IDLE} silent sockets of one peer until the last is cut, while another asks for its credentials. */
async function besiege(daemon: DaemonProcess) {
  const idle = async () => {
    await open(daemon, IDLE, () => "127.0.0.1");
    const whileOpenMiB = await daemon.memoryMiB();
    // Silent since they were accepted: none is left after 5 s.
    await eventually(() => expect(alive()).toBe(0), 20_000);
    return whileOpenMiB;
  };
  const idling = idle();
  const other = await askMeanwhile(daemon.port, "127.0.0.2", idling);
  return { whileOpenMiB: await idling, other };
}

it(
  `${IDLE} idle sockets of one peer cost less than ${MAX_GROWTH_MIB} MiB, are cut, and cost no other peer its credentials`,
  { timeout: 120_000 },
  async () => {
    await using daemon = await DaemonProcess.start(MEASURED);
    // What the first siege costs is code, pools and the room that garbage had: they stay.
    await besiege(daemon);
    const before = await daemon.memoryMiB();
    const { whileOpenMiB, other } = await besiege(daemon);
    const afterwardsMiB = await daemon.memoryMiB();

    expect(whileOpenMiB - before).toBeLessThan(MAX_GROWTH_MIB);
    expect(afterwardsMiB - before).toBeLessThan(MAX_GROWTH_MIB);
    expect(other.failures).toEqual([]);
    expect(other.elapsedMs.length).toBeGreaterThan(10);
  },
);

it(
  "a peer that keeps connections alive gets so many and no more, and others still get theirs",
  { timeout: 120_000 },
  async () => {
    await using daemon = await DaemonProcess.start();
    await open(daemon, 2 * MAX_PER_PEER, () => "127.0.0.1", PUT_TOKEN);
    await eventually(() => expect(alive()).toBe(MAX_PER_PEER));
    const other = await askAfterwards(daemon.port, "127.0.0.2");
    expect(other.failures).toEqual([]);
    // Each bound is told of in the log, which has its own.
    expect(daemon.log).toContain(`the peer has ${MAX_PER_PEER} already`);

    leave();
    await eventually(async () => expect(await daemon.sockets()).toBeLessThan(100));
    await open(daemon, MAX_PER_PEER, () => "127.0.0.1", PUT_TOKEN);
    expect((await askAfterwards(daemon.port, "127.0.0.2")).failures).toEqual([]);
    expect(alive()).toBe(MAX_PER_PEER);
  },
);

it(
  "many peers together get so many connections and no more, and when they go others get theirs",
  { timeout: 120_000 },
  async () => {
    await using daemon = await DaemonProcess.start();
    await open(daemon, IDLE, (index) => `127.0.1.${1 + (index % 10)}`, PUT_TOKEN);
    await eventually(() => expect(alive()).toBe(MAX_IN_ALL));
    expect(daemon.log).toContain(`the listener has ${MAX_IN_ALL} already`);
    leave();
    await eventually(async () => expect(await daemon.sockets()).toBeLessThan(100));
    const other = await askAfterwards(daemon.port, "127.0.0.2");
    expect(other.failures).toEqual([]);
  },
);

it(
  "refusals by the thousand are twenty lines a second, and their number",
  { timeout: 60_000 },
  async () => {
    await using daemon = await DaemonProcess.start();
    const startedMs = performance.now();
    const foreign = "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n";
    for (let round = 0; round < 20; round++) {
      await open(daemon, 200, () => "127.0.0.1", foreign);
      leave();
    }
    // With the first line of another second comes the number of those that this one had no room for.
    await eventually(async () => {
      await open(daemon, 1, () => "127.0.0.1", foreign);
      expect(daemon.log).toContain("more requests were refused");
    });
    const seconds = Math.ceil((performance.now() - startedMs) / SECONDS);
    const lines = daemon.refusals.filter((line) => line.includes("request refused"));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(20 * (seconds + 2));
  },
);
