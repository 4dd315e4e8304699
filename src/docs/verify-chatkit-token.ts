// For your own ChatKit server in TypeScript: verifies the gateway's token. Copy this file.
import { createRemoteJWKSet, jwtVerify } from 'jose'

// Who is asking: verifies the token that chatkit-mint's gateway sends to a self-hosted ChatKit
// server. Answer for threads of `user` only. No trust in the network is needed: the token is signed,
// names this server as its audience, and lives for seconds.

/** The user and the session that the gateway speaks for. */
export interface ChatKitContext {
  readonly user: string
  /** Undefined when the service itself asks, for an admin. */
  readonly session: string | undefined
  readonly state: Readonly<Record<string, unknown>>
}

/**
 * @param options - `issuer`, chatkit-mint's PUBLIC_URL; `audience`, the workflow's `server`, to the
 * letter
 * @returns a function of the `Authorization` header; throws when the token is not chatkit-mint's
 */
export function createVerifier(options: { readonly issuer: string; readonly audience: string }) {
  const keys = createRemoteJWKSet(new URL(`${options.issuer}/.well-known/jwks.json`))
  return async (authorization: string | undefined): Promise<ChatKitContext> => {
    const token = /^Bearer (\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
    const { payload } = await jwtVerify(token, keys, {
      ...options,
      algorithms: ['ES256', 'EdDSA'],
      requiredClaims: ['exp', 'iat', 'sub'],
    })
    const { sub: user = '', sid, state } = payload
    const session = typeof sid === 'string' ? sid : undefined
    return { user, session, state: (state ?? {}) as ChatKitContext['state'] }
  }
}
