/** @module When a reflector asks again: its times, and pure functions of them. */

/** Each in milliseconds. */
export interface ReflectorTimings {
  /** How long nothing may arrive on a watch: 90 s, for a bookmark comes each minute. */
  readonly idleMs: number;
  /** How long the first events may take before LIST is asked instead: 20 s. */
  readonly initialMs: number;
  /**
   * How often everything is read again, give or take a tenth: 30 min. A resource version from the
   * future, after a restore of etcd, is answered with silence.
   */
  readonly resyncMs: number;
  /** Least time between two readings of everything: 1 s. */
  readonly syncGapMs: number;
  /** The first pause after a failure, doubled with each that follows: 200 ms. */
  readonly backoffMs: number;
  /** The longest pause: 30 s. */
  readonly maxBackoffMs: number;
  /** A watch that the API server ends sooner counts as failed: 1 s. */
  readonly shortMs: number;
  /** When a watch is to be ended by the API server: at random within 240 to 300 s. */
  readonly watchMs: readonly [least: number, most: number];
}

export const TIMINGS: ReflectorTimings = {
  idleMs: 90_000,
  initialMs: 20_000,
  resyncMs: 30 * 60_000,
  syncGapMs: 1_000,
  backoffMs: 200,
  maxBackoffMs: 30_000,
  shortMs: 1_000,
  watchMs: [240_000, 300_000],
};

/** The pause after so many failures in a row: half of it for certain, half at random. */
export function pauseMs(failures: number, random: number, timings: ReflectorTimings): number {
  const fullMs = Math.min(timings.maxBackoffMs, timings.backoffMs * 2 ** (failures - 1));
  return (fullMs / 2) * (1 + random);
}

/** Whole seconds, at least one, at random: nodes that start together must not come back together. */
export function watchSeconds(random: number, { watchMs }: ReflectorTimings): number {
  const [least, most] = watchMs;
  return Math.max(1, Math.round((least + random * (most - least)) / 1_000));
}

export function untilResyncMs(random: number, { resyncMs }: ReflectorTimings): number {
  return resyncMs * (0.9 + 0.2 * random);
}
