/**
 * @module `npm run bench`: crossrole against a bare node:http server, in one run, on one machine. It
 * prints ratios and whether they meet their bars; it fails only when something is broken.
 */
import { fleetRows } from "./fleet.ts";
import { herdRows } from "./herd.ts";
import { latencyRows } from "./latency.ts";
import { Loader } from "./loader.ts";
import { memoryRows } from "./memory.ts";
import { newConnectionRows } from "./new-connections.ts";
import { openScene } from "./scene.ts";
import type { Scene } from "./scene.ts";
import { startRows } from "./start.ts";
import { machineFacts, table } from "./table.ts";
import type { Row } from "./table.ts";
import { throughputRows } from "./throughput.ts";
import { startWarmPair } from "./warm-pair.ts";

process.stdout.write(`${machineFacts()}\n`);
await using scene = await openScene();
const rows: Row[] = [];
for (const measure of [warmRows, herd, startRows, memoryRows]) rows.push(...(await measure(scene)));
rows.push(...fleetRows());
process.stdout.write(`\n${table(rows)}\n${machineFacts()}\n`);

async function warmRows(where: Scene): Promise<readonly Row[]> {
  using loader = new Loader();
  await using pair = await startWarmPair(where);
  const { rows: throughput, barePerSecond } = await throughputRows(pair, loader);
  const latency = await latencyRows(pair, loader, barePerSecond / 2);
  return [...throughput, ...(await newConnectionRows(pair, loader)), ...latency];
}

async function herd(where: Scene): Promise<readonly Row[]> {
  using loader = new Loader();
  return await herdRows(where, loader);
}
