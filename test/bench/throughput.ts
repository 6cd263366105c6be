/** @module Row 1: the warm credentials route, as fast as it goes. */
import type { Loader } from "./loader.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Server, WarmPair } from "./warm-pair.ts";

const ROUNDS = 15;
const ROUND_MS = 700;
/** Until the code of both is compiled and their heaps have their size. */
const WARM_UP_MS = 2_000;
const CONNECTIONS = 32;
const BAR = 0.8;

interface Round {
  readonly perSecond: number;
  /** Processor time of the server for one request; NaN where the kernel does not tell. */
  readonly cpuMicros: number;
}

/**
 * The rows, and the rate that the bare server reached. The connections stay open for the row after
 * this one; whose they are is known after the warm-up.
 */
export async function throughputRows(
  { bare, crossrole, request }: WarmPair,
  loader: Loader,
): Promise<{ readonly rows: readonly Row[]; readonly barePerSecond: number }> {
  const measure = (server: Server, ms: number) => measureRound(server, request, loader, ms);
  for (const server of [bare, crossrole]) {
    const ports = [server.port];
    await loader.run("open", { group: server.name, ports, connections: CONNECTIONS, request });
    await measure(server, WARM_UP_MS);
  }
  const rounds: { readonly bare: Round; readonly crossrole: Round }[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({
      bare: await measure(bare, ROUND_MS),
      crossrole: await measure(crossrole, ROUND_MS),
    });
  }
  const of = (pick: (round: Round) => number) => ({
    base: median(rounds.map((round) => pick(round.bare))),
    ours: median(rounds.map((round) => pick(round.crossrole))),
  });
  const rate = of(({ perSecond }) => perSecond);
  return {
    rows: rowsOf(
      rate,
      of(({ cpuMicros }) => cpuMicros),
    ),
    barePerSecond: rate.base,
  };
}

interface Medians {
  readonly base: number;
  readonly ours: number;
}

/** Processor time judges where it is known: it does not depend on what else the machine does. */
function rowsOf(rate: Medians, cpu: Medians): Row[] {
  const what = "warm credentials route";
  const byRate = rate.ours / rate.base;
  const byCpu = cpu.base / cpu.ours;
  const isCpuKnown = Number.isFinite(byCpu);
  const rateRow: Row = {
    what: `${what}, requests/s`,
    bare: rate.base.toFixed(0),
    crossrole: rate.ours.toFixed(0),
    ratio: byRate.toFixed(2),
    ...(isCpuKnown ? {} : verdict(byRate)),
  };
  if (!isCpuKnown) return [rateRow];
  const cpuRow: Row = {
    what: "  throughput per core (CPU µs a request)",
    bare: cpu.base.toFixed(1),
    crossrole: cpu.ours.toFixed(1),
    ratio: byCpu.toFixed(2),
    ...verdict(byCpu),
  };
  return [rateRow, cpuRow];
}

function verdict(ratio: number) {
  return { bar: `>= ${BAR}`, met: ratio >= BAR };
}

async function measureRound(
  { name, process }: Server,
  request: string,
  loader: Loader,
  ms: number,
): Promise<Round> {
  const before = process.cpuMs();
  const { answers, failed, elapsedMs } = await loader.run("closedLoop", {
    group: name,
    request,
    ms,
  });
  if (failed > 0) throw new Error(`${failed} of ${answers} warm requests failed`);
  const cpuMs = process.cpuMs() - before;
  return { perSecond: (answers / elapsedMs) * 1000, cpuMicros: (cpuMs / answers) * 1000 };
}
