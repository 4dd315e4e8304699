// Calls the identity provider as the public client of `login`, and turns its refusals into messages.

import * as oidc from 'openid-client'
import { discoverProvider } from '../../../authenticate/relying-party.ts'
import { readToken } from '../../../authenticate/token-shape.ts'
import { readCliEnvironment } from '../../../config/cli-environment.ts'
import { connectToAny } from '../../../lib/connections.ts'
import { isCode } from '../../../lib/errors.ts'
import { printable } from '../../../lib/printable.ts'
import { reasonOf } from '../../../lib/show.ts'
import { CommandError, EXIT, failure } from '../exit.ts'
import type { Io } from '../io.ts'
import type { Profile, Tokens } from './profiles.ts'

/** An answer of the token endpoint; its ID token, if any, is verified. */
export type TokenAnswer = oidc.TokenEndpointResponse & oidc.TokenEndpointResponseHelpers

/**
 * Runs `act` with the endpoints of the profile's provider, and closes connections afterwards.
 *
 * @throws {@link CommandError} when the provider cannot be reached, or refuses
 */
export async function withProvider<T>(
  io: Io,
  { issuer, client_id: clientId }: Pick<Profile, 'issuer' | 'client_id'>,
  act: (provider: oidc.Configuration) => Promise<T>,
): Promise<T> {
  const { proxyFor } = readCliEnvironment(io.variables).proxies
  const dispatcher = connectToAny(proxyFor, { connections: 4, allowH2: false })
  const authentication = oidc.None()
  try {
    return await act(await discoverProvider({ issuer, clientId, authentication, dispatcher }))
  } catch (error) {
    throw refusalOf(error)
  } finally {
    await dispatcher.destroy()
  }
}

/**
 * The scopes to request. `offline_access`, for a refresh token (OpenID Connect Core 1.0 §11), only if the
 * provider lists it.
 */
export function scopeOf(provider: oidc.Configuration, more: string | undefined): string {
  const offline = provider.serverMetadata().scopes_supported?.includes('offline_access')
  const names = ['openid', 'profile', offline ? 'offline_access' : '', ...(more ?? '').split(/\s+/)]
  return [...new Set(names.filter((name) => name !== ''))].join(' ')
}

/**
 * The token that admin calls send: the access token if it is a JWT, because it is made for services. Otherwise
 * the ID token, because the service cannot verify an opaque token.
 *
 * @param kept - the refresh token to keep when the answer has no new one (RFC 6749 §6)
 * @throws {@link CommandError} when neither is a JWT
 */
export function tokensOf(io: Io, answer: TokenAnswer, kept?: string): Tokens {
  const { access_token: access, id_token: id, refresh_token: refresh = kept } = answer
  for (const [kind, token] of [
    ['access_token', access],
    ['id_token', id],
  ] as const) {
    const exp = token === undefined ? undefined : expiryOf(token)
    if (token === undefined || exp === undefined) continue
    return { kind, token, expires_at: exp, refresh_token: refresh }
  }
  throw failure('the provider gave no token that a service can verify (a JWT).')

  function expiryOf(token: string): number | undefined {
    try {
      const { exp } = readToken(token).claims
      const after = Math.floor(io.now() / 1000) + (answer.expires_in ?? 0)
      return typeof exp === 'number' ? Math.floor(exp) : after
    } catch {
      return undefined
    }
  }
}

function refusalOf(error: unknown): unknown {
  if (error instanceof CommandError) return error
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isCode(cause, 'idp_unavailable')) {
      const why = `${printable(reasonOf(cause))}.\n${UNREACHABLE_ADVICE}`
      return new CommandError(EXIT.unavailable, why)
    }
    if (
      cause instanceof oidc.AuthorizationResponseError ||
      cause instanceof oidc.ResponseBodyError
    ) {
      return refused(cause)
    }
    if (cause.name === 'AbortError' || cause.name === 'TimeoutError') return error
  }
  const why = printable(reasonOf(error))
  return failure(`what the provider answered is not good: ${why}.`)
}

const UNREACHABLE_ADVICE =
  "Check --issuer, and that the provider runs. One without a discovery document (better-auth) cannot be used with login: set CHATKIT_MINT_TOKEN to an admin's token."

/** RFC 6749 §4.1.2.1 and §5.2, RFC 8628 §3.5. */
function refused({
  error,
  error_description: why,
}: Pick<oidc.ResponseBodyError, 'error' | 'error_description'>): CommandError {
  const exitCode = error === 'access_denied' ? EXIT.notPermitted : EXIT.failed
  const text = [error, why].filter((part) => part !== undefined).join(': ')
  return new CommandError(exitCode, `the identity provider refuses: ${printable(text)}`)
}
