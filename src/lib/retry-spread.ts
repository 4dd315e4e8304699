/** Refused clients are told one of so many seconds, so that they do not all come back together. */
const SPREAD_SECONDS = 5

/**
 * What `Retry-After` says to whom this service has no room for: 1 to 5 s, drawn for each.
 *
 * @param random - 0..1
 */
export function comeBackSeconds(random: () => number = Math.random): number {
  return 1 + Math.floor(random() * SPREAD_SECONDS)
}
