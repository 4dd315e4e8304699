// Spreads the retries of refused clients over some seconds.

/** Refused clients come back over so many seconds, and not all at once. */
const SPREAD_SECONDS = 5

/** The `Retry-After` for a client that is refused because of overload: 1 to 5 s, drawn at random. */
export function comeBackSeconds(random: () => number = Math.random): number {
  return 1 + Math.floor(random() * SPREAD_SECONDS)
}
