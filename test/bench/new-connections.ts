/** @module Row 1b: the same request as the first of a connection, whose owner has to be found out. */
import type { Loader } from "./loader.ts";
import { median } from "./statistics.ts";
import type { Row } from "./table.ts";
import type { Server, WarmPair } from "./warm-pair.ts";

const ROUNDS = 5;
const REQUESTS = 100;

/** Each is asked before the next connection is opened, as by programs that start one by one. */
export async function newConnectionRows(
  { bare, crossrole, request }: WarmPair,
  loader: Loader,
): Promise<readonly Row[]> {
  const rounds: { readonly bare: number; readonly crossrole: number }[] = [];
  const measure = async ({ port, process }: Server) => {
    const before = process.cpuMs();
    for (let count = 0; count < REQUESTS; count++) {
      await loader.run("open", { group: "new", ports: [port], connections: 1, request });
    }
    return ((process.cpuMs() - before) / REQUESTS) * 1000;
  };
  for (let round = 0; round < ROUNDS; round++) {
    rounds.push({ bare: await measure(bare), crossrole: await measure(crossrole) });
  }
  const base = median(rounds.map((round) => round.bare));
  const ours = median(rounds.map((round) => round.crossrole));
  if (Number.isNaN(ours)) return [];
  return [
    {
      what: "  on a new connection (CPU µs)",
      bare: base.toFixed(0),
      crossrole: ours.toFixed(0),
      ratio: (base / ours).toFixed(2),
    },
  ];
}
