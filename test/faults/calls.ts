import { setTimeout as sleep } from 'node:timers/promises'
import type { Seen } from '../support/network/clients.ts'
import { endAfterTest } from '../support/started.ts'

/** A client that repeats a call. */
export interface Load {
  readonly answers: readonly Seen[]
  /** Those that began after one moment and ended before another, by `performance.now()`. */
  between(from: number, to: number): readonly Seen[]
  /** Waits for this number of answers to calls that begin from now on, and returns them. */
  next(count: number): Promise<readonly Seen[]>
  /** Resolves when each has its last answer; rejects when one got none. */
  stop(): Promise<readonly Seen[]>
}

/**
 * @param count - how many ask at a time
 * @param ask - for one answer; `at` is which of them asks
 * @param pauseMs - between an answer and the next question
 */
export function startLoad(
  count: number,
  ask: (at: number) => Promise<Seen>,
  pauseMs: number,
): Load {
  const answers: Seen[] = []
  let going = true
  const loops = Array.from({ length: count }, async (_, at) => {
    while (going) {
      answers.push(await ask(at))
      await sleep(pauseMs)
    }
  })
  const all = Promise.all(loops)
  const over = all.catch(() => undefined)
  endAfterTest(() => {
    going = false
    return over
  })
  const between = (from: number, to: number) =>
    answers.filter(({ begun, ended }) => begun > from && ended < to)
  return {
    answers,
    between,
    async next(wanted) {
      const from = performance.now()
      for (;;) {
        const found = between(from, performance.now())
        if (found.length >= wanted) return found
        await Promise.race([sleep(20), all])
      }
    },
    async stop() {
      going = false
      await all
      return answers
    },
  }
}

/** The different outcomes: the code of a refusal, or the status. */
export function kinds(answers: readonly Seen[]): ReadonlySet<string | number> {
  return new Set(answers.map(({ code, status }) => code ?? status))
}

/** Refusals that do not say when to come back, in whole seconds of 1 to 120, as 429 and 503 have to. */
export function withoutRetryAfter(answers: readonly Seen[]): readonly Seen[] {
  const refusals = answers.filter(({ status }) => status === 429 || status === 503)
  return refusals.filter(({ retryAfter = '' }) => {
    return !/^\d+$/.test(retryAfter) || Number(retryAfter) < 1 || Number(retryAfter) > 120
  })
}

/**
 * How long answers took, in milliseconds.
 *
 * @param share - 0.5 for the median
 */
export function quantile(answers: readonly Seen[], share: number): number {
  const sorted = answers.map(({ begun, ended }) => ended - begun).sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length * share)] ?? Number.NaN
}
