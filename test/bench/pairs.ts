/** @module The same thing of both, in turn: what the machine does besides meets one as much as the other. */
import { spreadOf } from "./statistics.ts";
import type { Spread } from "./statistics.ts";

/** One after the other, with nothing in between. */
export interface Pair<T> {
  /** Of the bare server, or of the older commit. */
  readonly base: T;
  readonly ours: T;
}

/** Who is first alternates as well: a machine that becomes slower must favour nobody. */
export async function inTurn<T>(
  rounds: number,
  measure: { readonly [Side in keyof Pair<T>]: () => Promise<T> },
): Promise<Pair<T>[]> {
  const pairs: Pair<T>[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const base = await measure.base();
      pairs.push({ base, ours: await measure.ours() });
    } else {
      const ours = await measure.ours();
      pairs.push({ base: await measure.base(), ours });
    }
  }
  return pairs;
}

export interface Compared {
  readonly base: Spread;
  readonly ours: Spread;
  /** Of the ratios of the pairs, which is not the ratio of the medians. */
  readonly ratio: Spread;
}

export function compared<T>(pairs: readonly Pair<T>[], pick: (one: T) => number): Compared {
  return {
    base: spreadOf(pairs.map(({ base }) => pick(base))),
    ours: spreadOf(pairs.map(({ ours }) => pick(ours))),
    ratio: spreadOf(pairs.map(({ base, ours }) => pick(ours) / pick(base))),
  };
}
