/** @module Threat S12: a flood of token requests costs no memory, and no other peer its credentials. */
import { expect, inject, it } from "vitest";
import { askMeanwhile, flood } from "./flood.ts";
import type { Rounds } from "./flood.ts";
import { DaemonProcess, MEASURED } from "./process.ts";

/** The whole flood is for its own run (`npm run test:floods`): it takes a minute. */
const REQUESTS = inject("floodRequests") ?? 100_000;
/** By then the hot code is compiled, and each pool has its size. */
const WARM_UP = 100_000;

const MAX_GROWTH_MIB = 10;

it(
  `${REQUESTS} token requests of one peer grow memory by less than ${MAX_GROWTH_MIB} MiB, and no other peer misses its credentials`,
  { timeout: 300_000 },
  async () => {
    await using daemon = await DaemonProcess.start(MEASURED);
    await besiege(daemon, WARM_UP);
    const before = await daemon.memoryMiB();
    const other = await besiege(daemon, REQUESTS);
    const growth = (await daemon.memoryMiB()) - before;

    expect(growth).toBeLessThan(MAX_GROWTH_MIB);
    expect(other.failures).toEqual([]);
    expect(other.elapsedMs.length).toBeGreaterThan(10);
    expect(daemon.isRunning).toBe(true);
    expect(daemon.refusals).toEqual([]);
  },
);

/** A flood from one peer, while another asks for its credentials. */
async function besiege(daemon: DaemonProcess, requests: number): Promise<Rounds> {
  // Room that garbage once took is not given back at once: it must not get to take any.
  const collecting = setInterval(() => daemon.collect(), 1_000);
  const flooding = flood(daemon.port, "127.0.0.1", requests);
  const other = await askMeanwhile(daemon.port, "127.0.0.2", flooding);
  clearInterval(collecting);
  await flooding;
  return other;
}
