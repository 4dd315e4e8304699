// For your own ChatKit server in TypeScript: verifies the token that chatkit-mint's gateway sends. Copy this file. Answer
// for threads of `user` only. No trust in the network is needed: the token is signed, names this server as its audience,
// and lives for seconds.

import { createRemoteJWKSet, jwtVerify } from 'jose'

/** The user and the session that the gateway speaks for. */
export interface ChatKitContext {
  readonly user: string
  /** Undefined when the service itself asks, for an admin. */
  readonly session: string | undefined
  readonly state: Readonly<Record<string, unknown>>
}

/** The issuer and audience of the tokens that a server takes. */
export interface Expected {
  /** chatkit-mint's PUBLIC_URL. */
  readonly issuer: string
  /** Exactly the workflow's `server`. */
  readonly audience: string
  /** The address of chatkit-mint's keys, where this server cannot reach PUBLIC_URL. */
  readonly keysUrl?: string | undefined
}

/** @returns a function of the `Authorization` header; throws when the token is not chatkit-mint's */
export function createVerifier({ issuer, audience, keysUrl }: Expected) {
  const keys = createRemoteJWKSet(new URL(keysUrl ?? `${issuer}/.well-known/jwks.json`))
  return async (authorization: string | undefined): Promise<ChatKitContext> => {
    const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
    const { payload } = await jwtVerify(token, keys, {
      issuer,
      audience,
      algorithms: ['ES256', 'EdDSA', 'Ed25519', 'RS256', 'PS256'],
      requiredClaims: ['exp', 'iat', 'sub'],
    })
    const { sub: user = '', sid, state } = payload
    const session = typeof sid === 'string' ? sid : undefined
    return { user, session, state: (state ?? {}) as ChatKitContext['state'] }
  }
}
