// The registry's names for the bearer of a token: the sign-in, the identity, the actor in the audit.
import type { TokenIdentity } from './records.ts'

/**
 * The sign-in that a token stems from: its `sid`, or a substitute if the issuer's access tokens carry
 * none. A logout of one sign-in must also end sessions that may stem from it, and no others. No real
 * `sid` may contain a control character, so it never equals a substitute.
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

/** The actor in audit entries. The subject is empty after a logout that names only a sign-in. */
export function actorOf(token: {
  readonly issuer: string
  readonly subject: string | undefined
}): string {
  return `${token.issuer}|${token.subject ?? ''}`
}
