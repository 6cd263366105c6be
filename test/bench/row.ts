/** @module One thing that was measured, its bar, and whether it is met. */
import type { Spread } from "./statistics.ts";

export interface Bar {
  readonly text: string;
  isMet(figure: number): boolean;
}

export interface Row {
  readonly what: string;
  readonly unit: string;
  /** Decimal places of the two figures in the table. */
  readonly digits: number;
  /** Of the bare server, or of the older commit. */
  readonly base?: Spread | undefined;
  readonly ours: Spread;
  /** Ours over the base's. */
  readonly ratio?: Spread | undefined;
  /** For the ratio where there is one, else for the figure. */
  readonly bar?: Bar | undefined;
}

/** Undefined for a row without a bar. */
export function isMet({ ratio, ours, bar }: Row): boolean | undefined {
  return bar?.isMet((ratio ?? ours).median);
}

/** Whether the middle half of the pairs says that the two differ, in whichever direction. */
export function isChanged({ ratio }: Row): boolean | undefined {
  return ratio && (ratio.low > 1 || ratio.high < 1);
}

export function atLeast(least: number): Bar {
  return { text: `>= ${least}`, isMet: (figure) => figure >= least };
}

export function atMost(most: number): Bar {
  return { text: `<= ${most}`, isMet: (figure) => figure <= most };
}

export function below(limit: number): Bar {
  return { text: `< ${limit}`, isMet: (figure) => figure < limit };
}

export function exactly(wanted: number): Bar {
  return { text: `= ${wanted}`, isMet: (figure) => figure === wanted };
}

/** Not further from 0 than `most`. */
export function within(most: number): Bar {
  return { text: `+-${most}`, isMet: (figure) => Math.abs(figure) <= most };
}
