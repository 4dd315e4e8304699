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

/** A goal with an upper bound; none when there is no figure. */
export function atMost(what: string, bound: Bound): readonly Goal[] {
  return judged(what, bound, { word: 'at most', reached: bound.value <= bound.goal })
}

/** A goal with a lower bound; none when there is no figure. */
export function atLeast(what: string, bound: Bound): readonly Goal[] {
  return judged(what, bound, { word: 'at least', reached: bound.value >= bound.goal })
}

interface Bound {
  readonly value: number
  readonly goal: number
  readonly unit: string
  readonly digits?: number
}

function judged(
  what: string,
  { value, goal, unit, digits = 2 }: Bound,
  { word, reached }: { word: string; reached: boolean },
): readonly Goal[] {
  if (Number.isNaN(value)) return []
  return [
    {
      what,
      goal: `${word} ${goal} ${unit}`,
      measured: `${value.toFixed(digits)} ${unit}`,
      reached,
    },
  ]
}
