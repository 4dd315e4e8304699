// Defines the command `login`.

import { Command, InvalidArgumentError } from 'commander'
import { credentialUrl } from '../../../config/cli-environment.ts'
import { examples, someText, wholeNumber } from '../arguments.ts'
import type { Io } from '../io.ts'
import { profileOption } from './profiles.ts'
import type { LoginFlags } from './sign-in.ts'

const MOST_SECONDS = 300

export function loginCommand(io: Io): Command {
  return new Command('login')
    .description(
      'Sign in as an admin at the identity provider, and keep the tokens in a profile, for commands that ask a service.\n' +
        'Prints an address to open in a browser, and opens none by itself.',
    )
    .summary('Sign in as an admin, for commands that ask a service')
    .option('--issuer <url>', 'the identity provider; when absent, that of the profile', issuer)
    .option(
      '--client-id <id>',
      'a public client of that provider; when absent, that of the profile',
      someText,
    )
    .option('--url <url>', 'the service that the tokens are for, and no other; or CHATKIT_MINT_URL')
    .option(
      '--scope <scopes>',
      'further scopes, such as that of an API; several in one quoted text',
    )
    .option(
      '--device',
      'sign in by a code on any device, for a machine without a browser (RFC 8628)',
    )
    .option(
      '--port <port>',
      'port of the redirect URI; a free one when absent',
      wholeNumber(1, 65_535),
    )
    .option(
      '--timeout <seconds>',
      'how long to wait for the sign-in',
      wholeNumber(1, MOST_SECONDS),
      MOST_SECONDS,
    )
    .addOption(profileOption())
    .addHelpText('after', TOKEN_HELP)
    .addHelpText(
      'after',
      examples(
        'login --issuer https://login.acme.example/ --client-id chatkit-mint-cli --url https://chat.example.com',
        'login --device --profile staging',
        'login',
      ),
    )
    .action(async (flags: LoginFlags) => {
      await (await import('./sign-in.ts')).signIn(io, flags)
    })
}

const TOKEN_HELP = `
The client must be a public one, with PKCE and the redirect URI
http://127.0.0.1/callback on any port (RFC 8252), or
http://127.0.0.1:PORT/callback with --port. Admin calls send the access token
when it is a JWT, since that is made for services; else the ID token, since
nobody but the provider can read an opaque one. The service must take its
audience: that of an ID token is the client id. It is renewed when it has
expired, if the provider gave a refresh token.

Profiles are in chatkit-mint/profiles.json below XDG_CONFIG_HOME, else ~/.config
(on Windows %APPDATA%), mode 600. --url, --token-file, CHATKIT_MINT_URL and
CHATKIT_MINT_TOKEN win over the profile.`

/** `https`, or http on loopback, because tokens are sent over it. */
function issuer(text: string): string {
  if (credentialUrl(text) !== undefined) return text
  throw new InvalidArgumentError('It must be an https URL, as the provider writes it.')
}
