/** @module When STS is called by what DESIGN section 6 promises, with every random number {@link RANDOM}. */
import { RANDOM } from "./simulation.ts";

/** An hour's session is renewed at half its life minus 5 %: the middle of the jitter. */
export const RENEWAL = 1_710;

/** The longest pause after a failure that passes: 60 s. What is longer is for a denial. */
export const LONGEST_STEP = 60;

interface Outage {
  /** Seconds: the first attempt that fails. */
  readonly from: number;
  /** Attempts from then on are well. */
  readonly until: number;
  /** How long an attempt takes to fail. */
  readonly takes?: number;
  /** The longest pause. */
  readonly longest?: number;
}

/** The seconds of every attempt that fails, and of the first that does not. */
export function attempts({ from, until, takes = 0, longest = LONGEST_STEP }: Outage): number[] {
  const times = [from];
  for (let at = from, failures = 1; at < until; failures++) {
    at += takes + pause(Math.min(longest, 2 ** failures));
    times.push(at);
  }
  return times;
}

/** Seconds of a pause of 1 to `ceiling`. */
function pause(ceiling: number): number {
  return 1 + RANDOM * (ceiling - 1);
}
