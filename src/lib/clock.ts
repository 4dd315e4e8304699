// The type of a clock, and Unix seconds from it.

/** Milliseconds since the Unix epoch, like `Date.now`. Code takes it as an argument, so that tests control time. */
export type Clock = () => number

/** Unix time in whole seconds, the unit of all times in the APIs. */
export function unixSeconds(now: Clock): number {
  return Math.floor(now() / 1000)
}
