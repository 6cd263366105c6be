/** @module From samples to the numbers of a table. */

/** What a table shows of samples: the middle one, and between which two the middle half of them lies. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function spreadOf(samples: readonly number[]): Spread {
  return { median: median(samples), low: percentile(samples, 25), high: percentile(samples, 75) };
}

/** A figure that is counted, or that there is only one of. */
export function exact(figure: number): Spread {
  return { median: figure, low: figure, high: figure };
}

export function median(samples: readonly number[]): number {
  return percentile(samples, 50);
}

/** The sample that `percent` of all samples do not exceed; NaN without samples. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? Number.NaN;
}
