// Finds the admin's token in a profile, and renews one that has expired.

import { Secret } from '../../../lib/secret.ts'
import { CommandError, EXIT, misconfigured } from '../exit.ts'
import type { Io } from '../io.ts'
import type { Profile, ProfileEntry, Tokens } from './profiles.ts'

/** A token with less time left is renewed, because the call takes time and clocks differ. */
const LEAST_SECONDS = 30

/**
 * The profile's token, renewed with its refresh token if it has expired.
 *
 * @param url - the service that will get the token; it must be the one of the profile
 * @throws {@link CommandError} when nobody is signed in, or the sign-in has expired
 */
export async function profileToken(io: Io, entry: ProfileEntry, url: string): Promise<Secret> {
  const profile = entry.read()
  if (profile?.tokens === undefined) throw nobody(entry.name)
  // A mistyped address, or one left in the environment, must not get an admin's token.
  if (profile.url !== undefined && profile.url !== url) {
    throw misconfigured(
      `the token of profile ${entry.name} is for ${profile.url} and is not sent to ${url}.\n` +
        'Name a token with --token-file or CHATKIT_MINT_TOKEN, or run chatkit-mint login with that --url.',
    )
  }
  if (isFresh(io, profile.tokens)) return new Secret(profile.tokens.token)
  if (profile.tokens.refresh_token === undefined) throw expired(entry.name)
  let token = ''
  await entry.change(async (now) => {
    // Another command may have signed out or renewed the token. Many providers accept a refresh token only once.
    if (now?.tokens === undefined) throw nobody(entry.name)
    const tokens = isFresh(io, now.tokens) ? now.tokens : await renewed(io, now, entry.name)
    token = tokens.token
    return { ...now, tokens }
  })
  return new Secret(token)
}

function isFresh(io: Io, { expires_at: expiresAt }: Tokens): boolean {
  return expiresAt - LEAST_SECONDS > io.now() / 1000
}

async function renewed(io: Io, profile: Profile, name: string): Promise<Tokens> {
  const { kind, refresh_token: refresh } = profile.tokens ?? {}
  if (refresh === undefined) throw expired(name)
  const { tokensOf, withProvider } = await import('./provider.ts')
  const oidc = await import('openid-client')
  return await withProvider(io, profile, async (provider) => {
    const answer = await oidc.refreshTokenGrant(provider, refresh).catch((error) => {
      // RFC 6749 §5.2: the refresh token has expired, or was revoked.
      const isOver = error instanceof oidc.ResponseBodyError && error.error === 'invalid_grant'
      throw isOver ? expired(name) : error
    })
    const tokens = tokensOf(io, answer, refresh)
    if (tokens.kind !== kind || !isFresh(io, tokens)) throw expired(name)
    return tokens
  })
}

function nobody(name: string): CommandError {
  return misconfigured(
    `there is no token: nobody is signed in with profile ${name}. Run chatkit-mint login, set CHATKIT_MINT_TOKEN\n` +
      "to an admin's, or name a file with --token-file (- for standard input).",
  )
}

function expired(name: string): CommandError {
  const again = name === 'default' ? '' : ` --profile ${name}`
  const text = `the token of profile ${name} has expired; run chatkit-mint login${again}.`
  return new CommandError(EXIT.notPermitted, text)
}
