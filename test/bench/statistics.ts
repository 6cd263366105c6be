/** @module From samples to the numbers of a table. */

export function median(samples: readonly number[]): number {
  return percentile(samples, 50);
}

/** The sample that `percent` of all samples do not exceed; NaN without samples. */
export function percentile(samples: readonly number[], percent: number): number {
  const sorted = samples.toSorted((a, b) => a - b);
  const rank = Math.ceil((percent / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] ?? Number.NaN;
}
