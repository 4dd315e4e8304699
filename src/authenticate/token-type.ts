import { invalidToken, show } from './refusal.ts'

/**
 * Checks the `typ` of a token against a list, so that a token made for one purpose does not serve
 * another (RFC 8725 §3.11). Case and an `application/` prefix do not count (RFC 7515 §4.1.9).
 *
 * @param typ - header parameter, undefined when absent
 * @param accepted - lower case, without prefix; `none` stands for a token without `typ`
 * @throws ServiceError `invalid_token`
 */
export function checkTokenType(typ: string | undefined, accepted: readonly string[]): void {
  if (typ === undefined) {
    if (!accepted.includes('none')) throw invalidToken('typ is absent')
    return
  }
  const name = typ.toLowerCase().replace(/^application\//, '')
  // "none" written out is a type like any other, and not one that the list can mean.
  if (name === 'none' || !accepted.includes(name)) {
    throw invalidToken(`typ ${show(typ)} is not accepted`)
  }
}
