// Figures of all instances by time: the store adds up what each of them counted.

/**
 * Lengths of the intervals that the store adds up, in seconds, and the seconds for which it keeps each: an
 * hour by the minute and a day by five minutes, both with some to spare.
 */
export const KEPT_SECONDS = { 60: 3900, 300: 87_000 } as const

export const INTERVALS = [60, 300] as const

/** What was counted in some time. */
export interface Counted {
  readonly mints: number
  /** Refused mints by code. */
  readonly refusals: Readonly<Record<string, number>>
  /**
   * Calls of the ChatKit API by the time that they took: more than the bound before, and at most `le`
   * seconds. A call is in one of these buckets only, so those of several instances can be added.
   */
  readonly upstream: readonly { readonly le: number; readonly count: number }[]
  /** Live sessions in the store at the end; undefined if it did not say. */
  readonly activeSessions: number | undefined
}

/** What one instance counted in one minute. */
export interface InstanceMinute extends Counted {
  /** `ins_…`, as in the audit. */
  readonly instance: string
  /** Unix seconds: the beginning of the minute. */
  readonly at: number
}

/** What all instances counted in an interval; the live sessions are the latest that was written. */
export interface IntervalFigures extends Counted {
  /** Unix seconds: the beginning of the interval. */
  readonly at: number
  /** Those that wrote in it. */
  readonly instances: readonly string[]
}

export interface IntervalQuery {
  readonly seconds: (typeof INTERVALS)[number]
  /** The first interval; a multiple of its length. */
  readonly from: number
  /** The end, exclusive; after `from` by no more than {@link KEPT_SECONDS}. */
  readonly until: number
}
