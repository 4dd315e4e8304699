/** Milliseconds since the Unix epoch, like `Date.now`; an argument everywhere, so that tests own time. */
export type Clock = () => number

/**
 * Unix time in whole seconds, the unit of everything on the wire.
 *
 * @param now - the clock
 */
export function unixSeconds(now: Clock): number {
  return Math.floor(now() / 1000)
}
