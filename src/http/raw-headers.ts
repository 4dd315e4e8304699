import type { AppContext } from './context.ts'

/**
 * How often a header came. Node and the adapter join, or drop, what is repeated; only the raw list
 * tells.
 *
 * @param raw - names and values in turn, as `rawHeaders` of a Node request
 * @param name - in lower case
 */
export function countHeader(raw: readonly string[], name: string): number {
  let count = 0
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]?.length === name.length && raw[at]?.toLowerCase() === name) count++
  }
  return count
}

/**
 * How many `Authorization` headers a request has.
 *
 * @param c - of a server, or (with one at most) of a test that has none
 */
export function countAuthorization(c: AppContext): number {
  const raw = c.env.incoming?.rawHeaders
  if (raw !== undefined) return countHeader(raw, 'authorization')
  return c.req.header('Authorization') === undefined ? 0 : 1
}
