/** @module The loads: closed loop, open loop, and everything at once. */
import type { Connection } from "./connection.ts";
import { percentile } from "./statistics.ts";

export interface Load {
  /** The whole of it, as on the wire. */
  readonly request: string;
  readonly ms: number;
}

export interface PacedLoad extends Load {
  readonly perSecond: number;
}

interface Counted {
  readonly answers: number;
  /** Answers that are not 200, and connections that were lost. */
  readonly failed: number;
  readonly elapsedMs: number;
}

/** As fast as it goes: each connection sends its next request when it has its answer. */
export async function closedLoop(
  connections: readonly Connection[],
  { request, ms }: Load,
): Promise<Counted> {
  const counts = { answers: 0, failed: 0 };
  const startMs = performance.now();
  const endMs = startMs + ms;
  const run = (connection: Connection, done: () => void) => {
    connection.send(request, ({ status }) => {
      counts.answers++;
      if (status !== 200) counts.failed++;
      // A connection that was lost stays lost: the failures say enough.
      if (status === 0 || performance.now() >= endMs) done();
      else run(connection, done);
    });
  };
  using _ = stayAwake();
  await Promise.all(connections.map((one) => new Promise<void>((done) => run(one, done))));
  return { ...counts, elapsedMs: performance.now() - startMs };
}

/**
 * Keeps this process from sleeping. To wake it costs whoever writes to it more than the write, and a
 * faster server would be spared that: its generator has no time to sleep.
 */
function stayAwake(): Disposable {
  let next = setImmediate(function spin() {
    next = setImmediate(spin);
  });
  return { [Symbol.dispose]: () => clearImmediate(next) };
}

interface Paced extends Counted {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/**
 * At a rate of its own: a request is due at its time whether the server keeps up or not, and its
 * latency counts from then. A server that stalls cannot hide what would have been asked meanwhile.
 */
export async function openLoop(
  connections: readonly Connection[],
  { request, ms, perSecond }: PacedLoad,
): Promise<Paced> {
  const idle = [...connections];
  const total = Math.floor((ms / 1000) * perSecond);
  const latencies: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const startMs = performance.now();
  let sent = 0;
  let failed = 0;
  const dueMs = (index: number) => startMs + (index / perSecond) * 1000;
  const sendDue = () => {
    while (sent < total && dueMs(sent) <= performance.now()) {
      const connection = idle.pop();
      if (connection === undefined) break;
      const at = dueMs(sent++);
      connection.send(request, ({ status }) => {
        latencies.push(performance.now() - at);
        if (status !== 200) failed++;
        idle.push(connection);
        if (latencies.length === total) resolve();
      });
    }
    // Not a timer: its millisecond is longer than what is measured.
    if (sent < total) setImmediate(sendDue);
  };
  sendDue();
  await promise;
  const elapsedMs = performance.now() - startMs;
  const [p50Ms, p99Ms] = [percentile(latencies, 50), percentile(latencies, 99)];
  return { answers: total, failed, elapsedMs, p50Ms, p99Ms };
}

export interface Outcome {
  /** Which of the requests. */
  readonly index: number;
  /** By the wall clock, in milliseconds since the epoch. */
  readonly sentMs: number;
  readonly elapsedMs: number;
  readonly status: number;
}

/** One request on each connection, all of them before the first answer is looked at. */
export async function allAtOnce(
  connections: readonly Connection[],
  requests: readonly string[],
): Promise<Outcome[]> {
  const outcomes = connections.map((connection, at) => {
    const index = at % requests.length;
    const sentMs = Date.now();
    const startMs = performance.now();
    return connection.ask(requests[index] ?? "").then(({ status }) => {
      return { index, sentMs, elapsedMs: performance.now() - startMs, status };
    });
  });
  return await Promise.all(outcomes);
}
