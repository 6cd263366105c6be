/** @module The loads on connections that stay open: closed loop, open loop, and everything at once. */
import type { Connection } from "./connection.ts";
import { percentile } from "./statistics.ts";

interface Load {
  /** What is asked in turn; each the whole of it, as on the wire. */
  readonly requests: readonly string[];
  /** The bytes of every answer; without it only the status is looked at. */
  readonly answerBytes?: number | undefined;
}

export interface ClosedLoad extends Load {
  /** Ends after so much time, or so many answers. */
  readonly until: { readonly ms: number } | { readonly answers: number };
}

export interface PacedLoad extends Load {
  readonly ms: number;
  readonly perSecond: number;
}

export interface Counted {
  readonly answers: number;
  /** Answers that are not what they should be, and connections that were lost. */
  readonly failed: number;
  readonly elapsedMs: number;
}

/** As fast as it goes: each connection sends its next request when it has its answer. */
export async function closedLoop(
  connections: readonly Connection[],
  load: ClosedLoad,
): Promise<Counted> {
  const { requests, until } = load;
  const counts = { answers: 0, failed: 0 };
  const startMs = performance.now();
  const isOver =
    "ms" in until
      ? () => performance.now() >= startMs + until.ms
      : () => counts.answers >= until.answers;
  let asked = 0;
  const run = (connection: Connection, done: () => void) => {
    connection.send(requests[asked++ % requests.length] ?? "", ({ status, bytes }) => {
      counts.answers++;
      if (isWrong(status, bytes.length, load)) counts.failed++;
      // A connection that was lost stays lost: the failures say enough.
      if (status === 0 || isOver()) done();
      else run(connection, done);
    });
  };
  using _ = stayAwake();
  await Promise.all(connections.map((one) => new Promise<void>((done) => run(one, done))));
  return { ...counts, elapsedMs: performance.now() - startMs };
}

function isWrong(status: number, bytes: number, { answerBytes }: Load): boolean {
  return status !== 200 || (answerBytes !== undefined && bytes !== answerBytes);
}

/**
 * Keeps this process from sleeping. To wake it costs whoever writes to it more than the write, and a
 * faster server would be spared that: its generator has no time to sleep.
 */
export function stayAwake(): Disposable {
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
  load: PacedLoad,
): Promise<Paced> {
  const { requests, ms, perSecond } = load;
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
      const at = dueMs(sent);
      connection.send(requests[sent++ % requests.length] ?? "", ({ status, bytes }) => {
        latencies.push(performance.now() - at);
        if (isWrong(status, bytes.length, load)) failed++;
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
