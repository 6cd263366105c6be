/** @module Measures `credentials`, `token` and `exchange`: as fast as one processor goes. */
import type { Counted } from "./loads.ts";
import { compared, inTurn } from "./pairs.ts";
import type { Pair } from "./pairs.ts";
import { atLeast } from "./row.ts";
import type { Row } from "./row.ts";
import type { Scene } from "./scene.ts";
import { bodyOf, exchangeOf, startWarmPair } from "./warm-pair.ts";
import type { Route, Server, WarmPair } from "./warm-pair.ts";

const ROUNDS = 11;
const ROUND_MS = 700;
/** Until the code of both is compiled and their heaps have their size. */
const WARM_UP_MS = 2_000;
const CONNECTIONS = 32;
/** Programs that start at the same time. */
const CLIENTS = 8;
/** The share of its time in which a server must have worked for the clock to be a measure of it. */
const BUSY = 0.95;

type Load = (server: Server, ms: number) => Promise<Counted>;

interface Round {
  readonly perSecond: number;
  /** Of its processor's time, however long that took. NaN where the kernel does not tell. */
  readonly perCpuSecond: number;
  readonly busy: number;
}

export async function credentialsRows(scene: Scene): Promise<readonly Row[]> {
  await using pair = await startWarmPair(scene);
  const load = await keptAlive(pair, "credentials");
  return await rowsOf(pair, { what: "credentials route, warm", unit: "requests", bar: 0.8, load });
}

export async function tokenRows(scene: Scene): Promise<readonly Row[]> {
  await using pair = await startWarmPair(scene);
  const load = await keptAlive(pair, "token");
  return await rowsOf(pair, { what: "token route", unit: "requests", bar: 0.6, load });
}

/**
 * One connection for the three is what a client has that keeps it alive. What it costs to find out who
 * the caller is shows beside a listener that does not ask.
 */
export async function exchangeRows(scene: Scene): Promise<readonly Row[]> {
  const what = "three-request exchange";
  const bar = 0.7;
  const rows: Row[] = [];
  {
    await using pair = await startWarmPair(scene);
    const [three, one] = [exchanging(pair, true), exchanging(pair, false)];
    const unit = "exchanges";
    rows.push(
      ...(await rowsOf(pair, { what: `${what}, 3 connections`, unit, bar, load: three })),
      ...(await rowsOf(pair, { what: `${what}, 1 connection`, unit, bar, load: one })),
    );
  }
  await using pair = await startWarmPair(scene, { allowUsers: "any" });
  const load = exchanging(pair, true);
  const unchecked = { what: "  3 connections, allowUsers: any", unit: "exchanges", bar, load };
  rows.push(...(await rowsOf(pair, unchecked)).map((row) => ({ ...row, bar: undefined })));
  return rows;
}

function exchanging({ loader }: WarmPair, isConnectionPerRequest: boolean): Load {
  return async (server, ms) =>
    await loader.run("exchanges", {
      port: server.port,
      requests: exchangeOf(server),
      body: bodyOf(server.answers.credentials),
      clients: CLIENTS,
      isConnectionPerRequest,
      ms,
    });
}

/** Opens the connections of both. Whose they are is known when they have been asked on once. */
export async function keptAlive({ servers, loader }: WarmPair, route: Route): Promise<Load> {
  for (const { name, port, requests } of Object.values(servers)) {
    const request = requests[route];
    await loader.run("open", { group: name, ports: [port], connections: CONNECTIONS, request });
  }
  return async ({ name, requests, answers }, ms) =>
    await loader.run("closedLoop", {
      group: name,
      requests: [requests[route]],
      answerBytes: answers[route].bytes.length,
      until: { ms },
    });
}

interface Wanted {
  readonly what: string;
  readonly unit: string;
  readonly bar: number;
  readonly load: Load;
}

async function rowsOf({ servers }: WarmPair, { what, unit, bar, load }: Wanted): Promise<Row[]> {
  const rounds = (count: number, ms: number) =>
    inTurn(count, {
      base: () => measureRound(servers.base, load, ms),
      ours: () => measureRound(servers.ours, load, ms),
    });
  await rounds(1, WARM_UP_MS);
  const pairs = await rounds(ROUNDS, ROUND_MS);
  const digits = 0;
  const byClock = { what, unit: `${unit}/s`, digits, ...compared(pairs, (one) => one.perSecond) };
  if (!isCpuKnown(pairs)) return [{ ...byClock, bar: atLeast(bar) }];
  const busy = compared(pairs, (one) => one.busy * 100);
  // A server that waited for the load is faster than the clock says, and its ratio nearer to 1.
  const isBusy = Math.min(busy.base.median, busy.ours.median) >= BUSY * 100;
  return [
    { ...byClock, bar: isBusy ? atLeast(bar) : undefined },
    {
      what: "  of processor time",
      unit: `${unit}/CPU s`,
      digits,
      ...compared(pairs, (one) => one.perCpuSecond),
      bar: atLeast(bar),
    },
    { what: "  processor busy", unit: "%", digits, base: busy.base, ours: busy.ours },
  ];
}

function isCpuKnown(pairs: readonly Pair<Round>[]): boolean {
  return pairs.every(({ base, ours }) => Number.isFinite(base.busy + ours.busy));
}

async function measureRound(server: Server, load: Load, ms: number): Promise<Round> {
  const before = server.process.cpuMs();
  const { answers, failed, elapsedMs } = await load(server, ms);
  if (failed > 0) throw new Error(`${failed} of ${answers} answers of ${server.name} are wrong`);
  const cpuMs = server.process.cpuMs() - before;
  return {
    perSecond: (answers / elapsedMs) * 1000,
    perCpuSecond: (answers / cpuMs) * 1000,
    busy: cpuMs / elapsedMs,
  };
}
