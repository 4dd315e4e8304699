// `logout`: forgets the tokens of a profile, and revokes them at the identity provider.

import { Command } from 'commander'
import { printable } from '../../../lib/printable.ts'
import { reasonOf } from '../../../lib/show.ts'
import { examples } from '../arguments.ts'
import type { Io } from '../io.ts'
import { print, remark, time } from '../output.ts'
import { openProfile, type Profile, profileOption, type Tokens } from './profiles.ts'

export function logoutCommand(io: Io): Command {
  return new Command('logout')
    .description(
      'Forget the tokens of a profile, and revoke them at the identity provider where it can (RFC 7009). The profile ' +
        'keeps service, issuer and client id for the next login.',
    )
    .summary('Forget the tokens of a profile')
    .addOption(profileOption())
    .addHelpText('after', examples('logout', 'logout --profile staging'))
    .action(async ({ profile }: { profile?: string }) => await logout(io, profile))
}

async function logout(io: Io, flag: string | undefined): Promise<void> {
  const entry = openProfile(io, flag)
  const known = entry.read()
  let gone = known?.tokens
  if (known === undefined || gone === undefined) {
    return await print(io, `Nobody is signed in with profile ${entry.name}.`)
  }
  // Done first, so that it succeeds even if the provider is down.
  await entry.change((now = known) => {
    const { tokens, ...rest } = now
    gone = tokens ?? gone
    return rest
  })
  await print(io, `Signed out: the tokens of profile ${entry.name} are removed from this machine.`)
  remark(io, await revoked(io, known, gone))
  if (gone.expires_at > io.now() / 1000) {
    remark(io, `The service would still accept a copy of the token until ${time(gone.expires_at)}.`)
  }
}

/** Revokes one token: revoking a refresh token also revokes its access tokens (RFC 7009 §2.1). */
async function revoked(io: Io, profile: Profile, tokens: Tokens): Promise<string> {
  const { kind, token, refresh_token: refresh } = tokens
  if (refresh === undefined && kind === 'id_token')
    return 'There is nothing to revoke: an ID token cannot be.'
  const hint = { token_type_hint: refresh === undefined ? 'access_token' : 'refresh_token' }
  const { withProvider } = await import('./provider.ts')
  const oidc = await import('openid-client')
  try {
    return await withProvider(io, profile, async (provider) => {
      if (provider.serverMetadata().revocation_endpoint === undefined) {
        return 'Nothing was revoked: the identity provider has no endpoint for it.'
      }
      await oidc.tokenRevocation(provider, refresh ?? token, hint)
      return 'Revoked at the identity provider.'
    })
  } catch (error) {
    if (io.signal.aborted) throw error
    return `Not revoked at the identity provider: ${printable(reasonOf(error))}`
  }
}
