/** @module Measure `latency`: how late the latest are, when crossrole is asked half of what it can do. */
import { compared, inTurn } from "./pairs.ts";
import { atMost } from "./row.ts";
import type { Row } from "./row.ts";
import type { Scene } from "./scene.ts";
import { median } from "./statistics.ts";
import { keptAlive } from "./throughput.ts";
import { startWarmPair } from "./warm-pair.ts";
import type { Server } from "./warm-pair.ts";

const WARM_UP_MS = 2_000;
const PEAK_ROUNDS = 5;
const PEAK_MS = 500;
const ROUNDS = 15;
const ROUND_MS = 1_000;

/** Both are asked at the same rate, half of crossrole's own peak: the bare server has less to do, then. */
export async function latencyRows(scene: Scene): Promise<readonly Row[]> {
  await using pair = await startWarmPair(scene);
  const { servers, loader } = pair;
  const fast = await keptAlive(pair, "credentials");
  for (const server of Object.values(servers)) await fast(server, WARM_UP_MS);
  const peaks: number[] = [];
  for (let round = 0; round < PEAK_ROUNDS; round++) {
    const { answers, elapsedMs } = await fast(servers.ours, PEAK_MS);
    peaks.push((answers / elapsedMs) * 1000);
  }
  const perSecond = Math.round(median(peaks) / 2);
  const measure = async ({ name, requests, answers }: Server) => {
    const { failed, ...latency } = await loader.run("openLoop", {
      group: name,
      requests: [requests.credentials],
      answerBytes: answers.credentials.bytes.length,
      ms: ROUND_MS,
      perSecond,
    });
    if (failed > 0) throw new Error(`${failed} answers of ${name} are wrong`);
    return latency;
  };
  const pairs = await inTurn(ROUNDS, {
    base: () => measure(servers.base),
    ours: () => measure(servers.ours),
  });
  const p99 = compared(pairs, ({ p99Ms }) => p99Ms);
  const p50 = compared(pairs, ({ p50Ms }) => p50Ms);
  const [unit, digits] = ["ms", 3];
  return [
    { what: `p99 at half its peak (${perSecond}/s)`, unit, digits, ...p99, bar: atMost(1.5) },
    { what: "  median", unit, digits, ...p50 },
  ];
}
