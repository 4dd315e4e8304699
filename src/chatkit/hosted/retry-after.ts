/** Added to every wait, so that callers who were told the same do not come back as one. */
const PAUSE_MS = { least: 100, spread: 200 }

/** A retry with less time than this left would only turn the upstream's answer into a time-out. */
const ATTEMPT_NEEDS_MS = 500

/** Bounds of what we hand on in our own `Retry-After`, in seconds. */
const HANDED_ON = { least: 1, most: 120, unknown: 5 }

/** How much time there is, and what time it is, both in milliseconds. */
export interface RetryTime {
  readonly leftMs: number
  readonly nowMs: number
}

/**
 * Whether, and after how many milliseconds, a call may be repeated: a short random pause after what
 * the upstream asks for, when that fits into the time left. A `Retry-After` that cannot be read is
 * not guessed at.
 *
 * @param header - the answer's `Retry-After`, undefined when there is no such header or no answer
 * @param time - until the deadline, and the time of day for dates
 */
export function retryDelay(header: string | undefined, time: RetryTime): number | undefined {
  const asked = header === undefined ? 0 : waitSeconds(header, time.nowMs) * 1000
  const wait = asked + PAUSE_MS.least + Math.random() * PAUSE_MS.spread
  return wait + ATTEMPT_NEEDS_MS < time.leftMs ? wait : undefined
}

/**
 * What we tell our own caller to wait, in whole seconds, 1 to 120.
 *
 * @param header - the upstream's `Retry-After`
 * @param nowMs - the time of day, for dates
 */
export function handedOnSeconds(header: string | undefined, nowMs: number): number {
  const seconds = waitSeconds(header ?? '', nowMs)
  if (!Number.isFinite(seconds)) return HANDED_ON.unknown
  return Math.min(Math.max(Math.ceil(seconds), HANDED_ON.least), HANDED_ON.most)
}

/** RFC 9110 §10.2.3: seconds or an HTTP date; Infinity when it is neither. */
function waitSeconds(header: string, nowMs: number): number {
  if (/^\d{1,9}$/.test(header)) return Number(header)
  const date = /^[A-Z][a-z]{2}, /.test(header) ? Date.parse(header) : Number.NaN
  return Number.isNaN(date) ? Number.POSITIVE_INFINITY : Math.max(0, (date - nowMs) / 1000)
}
