// The registry's names for the bearer of a token: sign-in, identity and actor in the audit.

import type { TokenIdentity } from './records.ts'

/**
 * The sign-in that a token comes from: its `sid`, or a substitute made of the subject if the issuer's access
 * tokens carry none. A logout of one sign-in ends all sessions that may come from it, and no other session. A
 * real `sid` never equals a substitute, because it may not contain a control character.
 */
export function signInOf(subject: string, sid: string | undefined): string {
  return sid ?? `\u0000${subject}`
}

/** The subject of a substitute that {@link signInOf} made; undefined for a real `sid`. */
export function subjectBehind(sid: string | undefined): string | undefined {
  return sid?.startsWith('\u0000') ? sid.slice(1) : undefined
}

/** For the standing of a user without a token: no issuer is empty, so no logout mark is found. */
export const NO_IDENTITY: TokenIdentity = { issuer: '' }

/** The registry's identity for a token. */
export function identityOf(token: {
  readonly issuer: string
  readonly subject: string
  readonly sid: string | undefined
}): TokenIdentity & { readonly subject: string } {
  const { issuer, subject, sid } = token
  return { issuer, subject, sid: signInOf(subject, sid) }
}

/** Begins the issuer of sessions that a backend asked for; no real issuer begins so. */
export const KEY_ISSUER = 'key:'

/** The actor whose mint recorded a session. The issuer of a backend's sessions is the backend's key. */
export function minterOf(session: { readonly issuer: string; readonly subject: string }): string {
  return session.issuer.startsWith(KEY_ISSUER) ? session.issuer : actorOf(session)
}

/** The actor in audit entries. The subject is empty after a logout that names only a sign-in. */
export function actorOf(token: {
  readonly issuer: string
  readonly subject: string | undefined
}): string {
  return `${token.issuer}|${token.subject ?? ''}`
}
