import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, type Dispatcher } from 'undici'

/** An answer as far as the drills look at it. */
export interface Seen {
  readonly status: number
  /** Set for a refusal. */
  readonly code: string | undefined
  /** Set for a mint. */
  readonly secret: string | undefined
  readonly retryAfter: string | undefined
  readonly body: unknown
  /** `performance.now()`. */
  readonly begun: number
  readonly ended: number
}

export interface Sent {
  readonly method?: 'GET' | 'POST' | 'DELETE'
  readonly token?: string
  readonly json?: unknown
}

/** Clients of one service: light, so that the service and not the test is under load. */
export interface Clients {
  call(path: string, sent?: Sent): Promise<Seen>
  close(): Promise<void>
}

/** The service must answer sooner than this: a call that hangs is a failure. */
const PATIENCE_MS = 15_000

/** @param connect - for example the address that they come from */
export function createClients(url: string, connect: { localAddress?: string } = {}): Clients {
  const agent = new Agent({
    connect: { timeout: PATIENCE_MS, ...connect },
    headersTimeout: PATIENCE_MS,
    bodyTimeout: PATIENCE_MS,
    allowH2: false,
  })
  return {
    async call(path, { method = 'GET', token, json } = {}) {
      const begun = performance.now()
      const headers: Record<string, string> = {}
      if (token !== undefined) headers['authorization'] = `Bearer ${token}`
      if (json !== undefined) headers['content-type'] = 'application/json'
      const body = json === undefined ? null : JSON.stringify(json)
      const response = await agent.request({ origin: url, path, method, headers, body })
      return seenOf(response, await response.body.text(), begun)
    },
    close: () => agent.destroy(),
  }
}

function seenOf(response: Dispatcher.ResponseData, text: string, begun: number): Seen {
  const body = JSON.parse(text || 'null')
  return {
    status: response.statusCode,
    code: body?.code,
    secret: body?.client_secret,
    retryAfter: response.headers['retry-after']?.toString(),
    body,
    begun,
    ended: performance.now(),
  }
}

/** Somebody who asks again and again. */
export interface Load {
  readonly answers: readonly Seen[]
  /** Those that began after one moment and ended before another, by `performance.now()`. */
  between(from: number, to: number): readonly Seen[]
  /** Waits for so many answers to what is asked from now on, and gives them. */
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
  all.catch(() => undefined)
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
