// Figures of all instances by interval: the store adds up the counts of the instances.

import { z } from 'zod'
import { count, text } from './rows.ts'

/**
 * Lengths of the intervals, in seconds, and how long the store keeps each: a little over an hour of minutes,
 * and a little over a day of five-minute intervals.
 */
export const KEPT_SECONDS = { 60: 3900, 300: 87_000 } as const

export const INTERVALS = [60, 300] as const

export interface Counted {
  readonly mints: number
  /** Refused mints by code. */
  readonly refusals: Readonly<Record<string, number>>
  /**
   * Calls of the ChatKit API by duration: longer than the `le` of the bucket before, and at most `le` seconds.
   * Each call is in one bucket only, so the buckets of several instances can be added.
   */
  readonly upstream: readonly { readonly le: number; readonly count: number }[]
  /** Live sessions in the store at the end; undefined if the store did not answer. */
  readonly activeSessions: number | undefined
}

export interface InstanceMinute extends Counted {
  /** `ins_…`, as in the audit. */
  readonly instance: string
  /** Unix seconds: the beginning of the minute. */
  readonly at: number
}

/** The counts of all instances in an interval. The number of live sessions is the one written last. */
export interface IntervalFigures extends Counted {
  /** Unix seconds: the beginning of the interval. */
  readonly at: number
  /** The instances that wrote figures in the interval. */
  readonly instances: readonly string[]
}

export interface IntervalQuery {
  readonly seconds: (typeof INTERVALS)[number]
  /** The first interval; a multiple of its length. */
  readonly from: number
  /** The end, exclusive; after `from` by no more than {@link KEPT_SECONDS}. */
  readonly until: number
}

/**
 * Counts by field: `mints`, `refused <code>`, `took <seconds>`, `active`, and `by <instance>` for each instance
 * that wrote.
 */
export const intervalFields = z.record(text, count)

export type IntervalFields = z.output<typeof intervalFields>

/** The fields of one instance's counts: those to set, and those to add to the counts of the others. */
export function intervalFieldsOf(
  instance: string,
  { mints, refusals, upstream, activeSessions }: Counted,
): { readonly set: IntervalFields; readonly added: IntervalFields } {
  const added = [
    ...(mints > 0 ? [['mints', mints] as const] : []),
    ...Object.entries(refusals).map(([code, value]) => [`refused ${code}`, value] as const),
    ...upstream.map(({ le, count: value }) => [`took ${le}`, value] as const),
  ]
  const active = activeSessions === undefined ? {} : { active: activeSessions }
  return { set: { [`by ${instance}`]: 1, ...active }, added: Object.fromEntries(added) }
}

/** The inverse of {@link intervalFieldsOf}, for the sum of all instances. */
export function toIntervalFigures(at: number, fields: IntervalFields): IntervalFigures {
  const under = (kind: string) =>
    Object.entries(fields).flatMap(([name, value]) =>
      name.startsWith(`${kind} `) ? [[name.slice(kind.length + 1), value] as const] : [],
    )
  return {
    at,
    instances: under('by').map(([instance]) => instance),
    mints: fields['mints'] ?? 0,
    refusals: Object.fromEntries(under('refused')),
    upstream: under('took')
      .map(([le, value]) => ({ le: Number(le), count: value }))
      .sort((one, other) => one.le - other.le),
    activeSessions: fields['active'],
  }
}
