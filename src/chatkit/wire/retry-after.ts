// Reads the `Retry-After` of an upstream's answer, and makes ours of it.

/** Bounds of our own `Retry-After` after a failed call, in seconds. */
const HANDED_ON = { least: 1, most: 120, unknown: 5 }

/**
 * Whole seconds, 1 to 120, that we tell our own caller to wait.
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
export function waitSeconds(header: string, nowMs: number): number {
  if (/^\d+$/.test(header)) return Number(header)
  const date = /^[A-Z][a-z]{2}, /.test(header) ? Date.parse(header) : Number.NaN
  return Number.isNaN(date) ? Number.POSITIVE_INFINITY : Math.max(0, (date - nowMs) / 1000)
}
