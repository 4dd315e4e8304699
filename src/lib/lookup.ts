// Looks up the addresses of names, so that a name whose DNS server does not answer holds up no other name.

import dns, { type LookupAddress, type LookupOptions } from 'node:dns'

type Found = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void

/** Those who wait for a lookup under way. */
const underWay = new Map<string, Found[]>()

/**
 * `lookup` of node:dns, asked once for all who want the same name meanwhile. Node makes two lookups at a time, and one
 * without an answer takes 10 s or more: otherwise the calls to one server would keep all others waiting.
 */
export function lookupTogether(name: string, options: LookupOptions, found: Found): void {
  const question = JSON.stringify([name, options])
  const waiting = underWay.get(question)
  if (waiting !== undefined) {
    waiting.push(found)
    return
  }
  const all = [found]
  dns.lookup(name, options, (...answer) => {
    underWay.delete(question)
    for (const each of all) each(...answer)
  })
  // Last, because a name that cannot be looked up throws.
  underWay.set(question, all)
}
