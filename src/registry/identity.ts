import type { TokenIdentity } from './records.ts'

/**
 * The sign-in that a token stems from: its `sid`, or a stand-in where the issuer's access tokens
 * carry none. A logout of one sign-in must also end what may stem from it, and leave alone what
 * certainly does not. The control character keeps the stand-in apart from every real `sid`, in which
 * none is accepted.
 *
 * @param subject - the token's `sub`
 * @param sid - the token's `sid`
 */
export function signInOf(subject: string, sid: string | undefined): string {
  return sid ?? `\u0000${subject}`
}

/**
 * Whom the books know a token's bearer as.
 *
 * @param token - its `iss`, `sub` and `sid`
 */
export function identityOf(token: {
  readonly issuer: string
  readonly subject: string
  readonly sid: string | undefined
}): TokenIdentity & { readonly subject: string } {
  const { issuer, subject, sid } = token
  return { issuer, subject, sid: signInOf(subject, sid) }
}
