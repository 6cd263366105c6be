/** @module Row 2: how late the latest are, at half of what the bare server can do. */
import type { Loader } from "./loader.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Server, WarmPair } from "./warm-pair.ts";

const ROUNDS = 11;
const ROUND_MS = 1_000;
const BAR = 1.5;
/** Where the bare server is later than this, the machine is busy with something else: 10 ms. */
const BUSY_MS = 10;

export async function latencyRows(
  { bare, crossrole, request }: WarmPair,
  loader: Loader,
  perSecond: number,
): Promise<readonly Row[]> {
  const measure = async ({ name }: Server) => {
    const load = { group: name, request, ms: ROUND_MS, perSecond };
    const { failed, answers, ...latency } = await loader.run("openLoop", load);
    if (failed > 0) throw new Error(`${failed} of ${answers} warm requests failed`);
    return latency;
  };
  const rounds: { readonly bare: Latency; readonly crossrole: Latency }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ bare: await measure(bare), crossrole: await measure(crossrole) });
  }
  const row = (what: string, pick: (latency: Latency) => number) => {
    const [base, ours] = [
      median(rounds.map((round) => pick(round.bare))),
      median(rounds.map((round) => pick(round.crossrole))),
    ];
    const shown = { bare: base.toFixed(2), crossrole: ours.toFixed(2) };
    return { what, ...shown, ratio: ours / base, base };
  };
  const p50 = row(`  median at ${perSecond.toFixed(0)}/s (ms)`, ({ p50Ms }) => p50Ms);
  const { base, ...p99 } = row("p99 at half the bare peak (ms)", ({ p99Ms }) => p99Ms);
  const verdict =
    base > BUSY_MS ? { bar: "machine busy" } : { bar: `<= ${BAR}`, met: p99.ratio <= BAR };
  return [
    { ...p99, ratio: p99.ratio.toFixed(2), ...verdict },
    { what: p50.what, bare: p50.bare, crossrole: p50.crossrole, ratio: p50.ratio.toFixed(2) },
  ];
}

interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}
