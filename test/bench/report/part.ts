/** The findings of one part of the run. */
export interface Report {
  /** Heading of its table. */
  readonly title: string
  /** Describes the measurement in a sentence or two. */
  readonly how: string
  /** Markdown tables. */
  readonly tables: readonly string[]
  readonly goals: readonly Goal[]
  /** The figures, for `--json`. */
  readonly figures: unknown
}

/** A figure to reach. */
export interface Goal {
  readonly what: string
  readonly goal: string
  readonly measured: string
  readonly reached: boolean
}

/** A number with its unit, and the digits to show behind the point; two when absent. */
type Bound = readonly [goal: number, unit: string, digits?: number]

/** A goal with an upper bound; none when there is no figure. */
export function atMost(what: string, value: number | undefined, bound: Bound): readonly Goal[] {
  return judged(what, { value, word: 'at most', reached: (value ?? 0) <= bound[0] }, bound)
}

/** A goal with a lower bound; none when there is no figure. */
export function atLeast(what: string, value: number | undefined, bound: Bound): readonly Goal[] {
  return judged(what, { value, word: 'at least', reached: (value ?? 0) >= bound[0] }, bound)
}

function judged(
  what: string,
  found: { value: number | undefined; word: string; reached: boolean },
  [goal, unit, digits = 2]: Bound,
): readonly Goal[] {
  const { value = Number.NaN, word, reached } = found
  if (Number.isNaN(value)) return []
  const measured = `${value.toFixed(digits)} ${unit}`
  return [{ what, goal: `${word} ${goal} ${unit}`, measured, reached }]
}
