// Carries out `login`: signs an admin in at the identity provider, by browser or by code, and keeps the tokens
// in a profile.

import { setTimeout as sleep } from 'node:timers/promises'
import * as oidc from 'openid-client'
import { printable } from '../../../lib/printable.ts'
import { failure, wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { print, remark, time } from '../output.ts'
import { serviceUrl } from '../target/target.ts'
import { listenForCallback } from './callback.ts'
import { openProfile, type Profile } from './profiles.ts'
import { scopeOf, type TokenAnswer, tokensOf, withProvider } from './provider.ts'

const DEVICE_CODE = 'urn:ietf:params:oauth:grant-type:device_code'

export interface LoginFlags {
  readonly issuer?: string
  readonly clientId?: string
  readonly url?: string
  readonly scope?: string
  readonly device?: true
  readonly port?: number
  readonly timeout: number
  readonly profile?: string
}

/**
 * Signs in and keeps the tokens.
 *
 * @throws {@link CommandError} when nobody signed in, or the profile cannot be kept
 */
export async function signIn(io: Io, flags: LoginFlags): Promise<void> {
  const entry = openProfile(io, flags.profile)
  // A file that cannot be read or written is refused before anybody signs in.
  const wanted = profileFrom(io, flags, entry.readToChange())
  const late = AbortSignal.timeout(flags.timeout * 1000)
  const signal = AbortSignal.any([io.signal, late])
  const keep = async (answer: TokenAnswer) => {
    const profile = { ...wanted, tokens: tokensOf(io, answer) }
    await entry.change(() => profile)
    await print(io, summary(entry.name, profile, answer.claims()?.sub))
  }
  try {
    await withProvider(io, wanted, async (provider) => {
      const scope = scopeOf(provider, wanted.scope)
      if (flags.device) await keep(await byDevice(io, provider, { scope, signal }))
      else await byBrowser(io, { provider, scope, signal, port: flags.port ?? 0, keep })
    })
  } catch (error) {
    if (!late.aborted || io.signal.aborted) throw error
    throw failure(`nobody signed in within ${flags.timeout} s; nothing was kept.`)
  }
  if (wanted.url === undefined) {
    remark(
      io,
      'The profile names no service: give --url or CHATKIT_MINT_URL to commands, or to login.',
    )
  }
}

function profileFrom(io: Io, flags: LoginFlags, known: Profile | undefined): Profile {
  const from = flags.issuer ?? known?.issuer
  // Client id and scopes of the profile are not used for another provider.
  const same = from === known?.issuer ? known : undefined
  const clientId = flags.clientId ?? same?.client_id
  if (from === undefined || clientId === undefined) {
    throw wrongUse(
      'no identity provider is named. Give --issuer and --client-id (of a public client); the profile keeps them for the next time.',
    )
  }
  const url = serviceUrl(io, flags) ?? known?.url
  const scope = flags.scope ?? same?.scope
  return { issuer: from, client_id: clientId, url, scope }
}

async function byBrowser(
  io: Io,
  {
    provider,
    scope,
    signal,
    port,
    keep,
  }: {
    readonly provider: oidc.Configuration
    readonly scope: string
    readonly signal: AbortSignal
    readonly port: number
    readonly keep: (answer: TokenAnswer) => Promise<void>
  },
): Promise<void> {
  const state = oidc.randomState()
  const nonce = oidc.randomNonce()
  const verifier = oidc.randomPKCECodeVerifier()
  const { redirectUri, arrived, close } = await listenForCallback(state, port, signal)
  try {
    const url = oidc.buildAuthorizationUrl(provider, {
      redirect_uri: redirectUri,
      scope,
      state,
      nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    })
    remark(io, `Open this address in a browser on this machine:\n\n  ${printable(url.href)}\n`)
    const callback = await arrived
    const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier }
    try {
      const expected = { ...checks, idTokenExpected: true }
      await keep(await oidc.authorizationCodeGrant(provider, callback.url, expected))
    } catch (error) {
      await callback.answer('This sign-in did not work. The terminal says why.', 400)
      throw error
    }
    await callback.answer('You are signed in, and can close this page.')
  } finally {
    close()
  }
}

async function byDevice(
  io: Io,
  provider: oidc.Configuration,
  { scope, signal }: { readonly scope: string; readonly signal: AbortSignal },
): Promise<TokenAnswer> {
  if (provider.serverMetadata().device_authorization_endpoint === undefined) {
    throw failure('this provider signs nobody in by code; leave --device out.')
  }
  const started = await oidc.initiateDeviceAuthorization(provider, { scope })
  const { verification_uri: address, user_code: code } = started
  remark(
    io,
    `Open ${printable(address)} on any device, and enter the code there:\n\n  ${printable(code)}\n`,
  )
  return await untilEntered(provider, started, signal)
}

/** RFC 8628 §3.5. openid-client's own loop notices an interrupt only after up to 5 s. */
async function untilEntered(
  provider: oidc.Configuration,
  { device_code, interval = 5 }: Pick<oidc.DeviceAuthorizationResponse, 'device_code' | 'interval'>,
  signal: AbortSignal,
): Promise<TokenAnswer> {
  for (let seconds = interval; ; ) {
    await sleep(seconds * 1000, undefined, { signal })
    try {
      return await oidc.genericGrantRequest(provider, DEVICE_CODE, { device_code })
    } catch (error) {
      const code = error instanceof oidc.ResponseBodyError ? error.error : undefined
      if (code === 'slow_down') seconds += 5
      else if (code !== 'authorization_pending') throw error
    }
  }
}

function summary(name: string, { tokens, issuer: from }: Profile, subject = 'somebody'): string {
  const sent =
    tokens?.kind === 'access_token' ? 'access token' : 'ID token (the access token is no JWT)'
  const then = tokens?.refresh_token === undefined ? 'then log in again' : 'then it is renewed'
  return (
    `Signed in as ${printable(subject)} at ${from}, profile ${name}.\n` +
    `Commands send the ${sent}, which expires at ${time(tokens?.expires_at)}; ${then}.`
  )
}
