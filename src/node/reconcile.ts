/** @module Keeps interception in place for as long as it runs, and leaves it in place when it ends. */
import { messageOf } from "../errors.ts";
import type { Log } from "../log.ts";
import { inspect, install } from "./interception.ts";
import type { Expectations } from "./interception.ts";
import type { Programs } from "./programs.ts";
import type { Difference, Interception } from "./types.ts";

/**
 * Between two looks at the guard alone, without which pods get the node's role: 10 ms of nft each.
 * `nft monitor` would hear of it at once, but holds every rule of the node in memory.
 */
const GUARD_INTERVAL_MS = 2_000;

export interface ReconcileOptions {
  readonly programs: Programs;
  readonly wanted: Interception;
  /** Milliseconds between two looks at everything. */
  readonly intervalMs: number;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/**
 * Installs, and then restores whatever is lost: the guard within 2 s, and everything at every interval.
 * Ends with `signal` and removes nothing.
 *
 * @throws {@link CrossroleError} `ERR_COMMAND_FAILED` of the first installation only.
 */
export async function reconcile(options: ReconcileOptions): Promise<void> {
  const { programs, wanted, log } = options;
  const expectations: Expectations = new Map();
  const { device, differences } = await install(programs, wanted, expectations);
  log.info("interception in place", { device, changed: linesOf(differences) });
  let failure: string | undefined;
  while (await isTimeToLook(options, expectations)) {
    failure = await restore(options, expectations, failure);
  }
}

/** Waits for the next look at everything, or until the guard has changed. @returns false at the end. */
async function isTimeToLook(
  { programs, wanted, intervalMs, signal }: ReconcileOptions,
  expectations: Expectations,
): Promise<boolean> {
  const guard = { ...wanted, guardOnly: true };
  const endMs = performance.now() + intervalMs;
  for (;;) {
    // A look at the guard may have ended after its turn: Node warns of a timer in the past.
    const leftMs = Math.max(0, endMs - performance.now());
    if (!(await pause(Math.min(leftMs, GUARD_INTERVAL_MS), signal))) return false;
    if (performance.now() >= endMs) return true;
    try {
      if ((await inspect(programs, guard, expectations)).differences.length > 0) return true;
    } catch {
      // Whoever looks at everything meets the same, and says so.
      return true;
    }
  }
}

/** @returns why it failed, so that the same is not said every two seconds. */
async function restore(
  { programs, wanted, log }: ReconcileOptions,
  expectations: Expectations,
  lastFailure: string | undefined,
): Promise<string | undefined> {
  try {
    const { differences } = await install(programs, wanted, expectations);
    if (differences.length > 0) log.warn("interception restored", { lost: linesOf(differences) });
    return undefined;
  } catch (error) {
    // The guard may still be there; whatever is missing is tried again.
    const reason = messageOf(error);
    if (reason !== lastFailure) log.error("interception not restored", { reason });
    return reason;
  }
}

/** Waits for `ms` milliseconds. @returns false when `signal` has ended it. */
async function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const end = () => resolve();
  signal.addEventListener("abort", end, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", end);
  return !signal.aborted;
}

function linesOf(differences: readonly Difference[]): string | undefined {
  if (differences.length === 0) return undefined;
  return differences.map(({ part, what }) => `${part}: ${what}`).join("; ");
}
