// Names that the registry has for whoever holds a token: its sign-in, its identity, its actor in the audit.
import type { TokenIdentity } from './records.ts'

/**
 * The sign-in that a token stems from: its `sid`, or a stand-in where the issuer's access tokens
 * carry none. A logout of one sign-in must also end sessions that may stem from it, and leave alone
 * those that certainly do not. No real `sid` may contain a control character, so the one in the
 * stand-in keeps the two apart.
 *
 * @param subject - the token's `sub`
 * @param sid - the token's `sid`
 */
export function signInOf(subject: string, sid: string | undefined): string {
  return sid ?? `\u0000${subject}`
}

/** The registry's identity for a token. */
export function identityOf(token: {
  readonly issuer: string
  readonly subject: string
  readonly sid: string | undefined
}): TokenIdentity & { readonly subject: string } {
  const { issuer, subject, sid } = token
  return { issuer, subject, sid: signInOf(subject, sid) }
}

/** The name that the audit has for whoever acts; a logout of one sign-in may name no subject. */
export function actorOf(token: {
  readonly issuer: string
  readonly subject: string | undefined
}): string {
  return `${token.issuer}|${token.subject ?? ''}`
}
