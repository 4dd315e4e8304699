// Spreads the retries of refused clients over a few seconds.

/** Over how many seconds refused clients come back. */
const SPREAD_SECONDS = 5

/** The `Retry-After` for a client that is refused because of overload: 1 to 5 s, drawn at random. */
export function comeBackSeconds(): number {
  return 1 + Math.floor(Math.random() * SPREAD_SECONDS)
}
