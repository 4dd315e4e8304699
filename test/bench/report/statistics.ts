/**
 * @param values - in any order; NaN when there are none
 * @param share - 0..1, as 0.99 for p99 (nearest rank)
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  const rank = Math.max(Math.ceil(share * sorted.length) - 1, 0)
  return sorted[rank] ?? Number.NaN
}

/** The middle value; of an even number, the mean of the two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (index: number) => sorted[index] ?? Number.NaN
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? at(half) : (at(half - 1) + at(half)) / 2
}

/** The median of several runs with the least and the most. */
export interface Spread {
  readonly median: number
  readonly least: number
  readonly most: number
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) }
}

/**
 * The median of the ratios of each round: what disturbs a round disturbs both sides of it.
 *
 * @param values - one per round
 * @param base - one per round, of the same rounds
 */
export function ratio(values: readonly number[], base: readonly number[]): number {
  return median(values.map((value, round) => value / (base[round] ?? Number.NaN)))
}
