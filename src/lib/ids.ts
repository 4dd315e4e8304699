import { randomBytes } from 'node:crypto'

/**
 * A new identifier: the prefix and 128 random bits in base64url.
 *
 * @param prefix - what the id is of, with its underscore: `req_`, `cksess_`
 */
export function newId(prefix: string): string {
  return prefix + randomBytes(16).toString('base64url')
}
