// Decides whether a command calls the hosted ChatKit API or this service, and connects to it.

import { type Command, Option } from 'commander'
import type { ChatKit } from '../../../chatkit/port.ts'
import { apiKeyProblem } from '../../../config/api-key.ts'
import {
  type CliEnvironment,
  credentialUrl,
  readCliEnvironment,
} from '../../../config/cli-environment.ts'
import { Secret } from '../../../lib/secret.ts'
import { CommandError, EXIT, misconfigured, wrongUse } from '../exit.ts'
import type { Io } from '../io.ts'
import { profileToken } from '../login/profile-token.ts'
import { openProfile, profileOption } from '../login/profiles.ts'
import { jsonOption } from '../output.ts'
import { createServiceClient, type ServiceClient } from './service-client.ts'
import { readToken } from './token.ts'

/** Options that choose between the ChatKit API and this service, and `--json`. */
export interface TargetFlags {
  readonly json?: boolean
  readonly apiKey?: string
  readonly baseUrl?: string
  readonly url?: string
  readonly tokenFile?: string
  readonly profile?: string
}

/** The target of a command: the hosted ChatKit API, or this service with an admin's token. */
export type Target =
  | { readonly kind: 'hosted'; readonly chatkit: ChatKit }
  | { readonly kind: 'service'; readonly service: ServiceClient }

/** Adds `--json`, `--url`, `--token-file` and `--profile`. */
export function serviceOptions(command: Command): Command {
  return command
    .addOption(jsonOption())
    .option('--url <url>', 'call the service at this address; or CHATKIT_MINT_URL')
    .option(
      '--token-file <file>',
      "file with the admin's token, - for standard input; or CHATKIT_MINT_TOKEN",
    )
    .addOption(profileOption())
}

const SERVICE_FLAGS = ['url', 'tokenFile', 'profile']

/** Adds the options of {@link serviceOptions}, and `--api-key` and `--base-url` for the ChatKit API itself. */
export function targetOptions(command: Command): Command {
  const apiKey = new Option(
    '--api-key <key>',
    'call the ChatKit API with this key; OPENAI_API_KEY and OPENAI_API_KEY_FILE are safer, since other users of this machine can read the arguments of a process',
  )
  const baseUrl = new Option(
    '--base-url <url>',
    'the address of the ChatKit API; or OPENAI_BASE_URL',
  )
  return serviceOptions(command)
    .addOption(apiKey.conflicts(SERVICE_FLAGS))
    .addOption(baseUrl.conflicts(SERVICE_FLAGS))
}

/**
 * Chooses the target. Options win over the environment, which wins over the profile. In each of them this
 * service wins over the API, because only calls through the service are recorded in its registry.
 */
export function targetKind(io: Io, flags: TargetFlags): Target['kind'] {
  const { url, tokenFile, profile } = flags
  if ([url, tokenFile, profile].some((flag) => flag !== undefined)) return 'service'
  if (flags.apiKey !== undefined || flags.baseUrl !== undefined) return 'hosted'
  const environment = readCliEnvironment(io.variables)
  if (environment.serviceUrl !== undefined || environment.profile !== undefined) return 'service'
  if (environment.secret('OPENAI_API_KEY') !== undefined) return 'hosted'
  return openProfile(io, undefined).read()?.url === undefined ? 'hosted' : 'service'
}

/**
 * The target that options and environment name. Its connections need no end: idle ones keep no process alive.
 *
 * @throws {@link CommandError} when key, token or address is missing or cannot be used
 */
export async function targetOf(io: Io, flags: TargetFlags): Promise<Target> {
  if (targetKind(io, flags) === 'service') {
    return { kind: 'service', service: await serviceOf(io, flags) }
  }
  const environment = readCliEnvironment(io.variables)
  const baseUrl = urlOf(flags.baseUrl, '--base-url') ?? environment.openaiBaseUrl
  const apiKey = keyOf(flags, environment)
  const { createOpenAi } = await import('../../../chatkit/hosted/openai.ts')
  const { connectTo } = await import('../../../lib/connections.ts')
  const dispatcher = connectTo(new URL(baseUrl).origin, environment.proxies.proxyFor)
  const { openaiOrgId: organization, openaiProjectId: project } = environment
  const at = { baseUrl, organization, project, dispatcherFor: () => dispatcher }
  return { kind: 'hosted', chatkit: createOpenAi({ ...at, apiKey, now: io.now }) }
}

/** The service's address, from options or environment. */
export function serviceUrl(io: Io, { url }: Pick<TargetFlags, 'url'>): string | undefined {
  return urlOf(url, '--url') ?? readCliEnvironment(io.variables).serviceUrl
}

/**
 * This service, for commands that only it can answer.
 *
 * @throws {@link CommandError} when address or token is missing or cannot be used
 */
export async function serviceOf(io: Io, flags: TargetFlags): Promise<ServiceClient> {
  const environment = readCliEnvironment(io.variables)
  const entry = openProfile(io, flags.profile)
  const named = serviceUrl(io, flags)
  const profile = named === undefined || flags.profile !== undefined ? entry.read() : undefined
  if (flags.profile !== undefined && profile === undefined) {
    throw misconfigured(
      `there is no profile ${entry.name}, so nothing was sent. Run chatkit-mint login --profile ${entry.name} first.`,
    )
  }
  const kept = profile?.url
  // With `--profile staging`, the call must not go to another service that a variable names.
  if (flags.url === undefined && named !== undefined && kept !== undefined && kept !== named) {
    throw wrongUse(
      `profile ${entry.name} is of ${kept}, and CHATKIT_MINT_URL names ${named}: unset one of them, or give --url.`,
    )
  }
  const base = named ?? kept
  if (base === undefined) {
    throw misconfigured(
      'no service is named. Give its address as --url or in CHATKIT_MINT_URL, or run chatkit-mint login with --url.',
    )
  }
  const given = await readToken(io, environment, flags.tokenFile)
  const token = given ?? (await profileToken(io, entry, base))
  const { connectTo } = await import('../../../lib/connections.ts')
  const dispatcher = connectTo(new URL(base).origin, environment.proxies.proxyFor)
  return createServiceClient({ url: base, token, signal: io.signal, dispatcher })
}

/** @throws {@link CommandError} for an address to which nothing may be sent */
export function urlOf(text: string | undefined, flag: string): string | undefined {
  const checked = text === undefined ? undefined : credentialUrl(text)
  if (text === undefined || checked !== undefined) return checked
  throw wrongUse(
    `${flag} must be an https URL without credentials or query; http only for loopback.`,
  )
}

function keyOf(flags: TargetFlags, environment: CliEnvironment): () => Secret {
  const given = flags.apiKey?.trim()
  const source =
    given === undefined ? environment.secret('OPENAI_API_KEY') : () => new Secret(given)
  if (source === undefined) {
    throw misconfigured(
      'no target is set. For the ChatKit API set OPENAI_API_KEY or OPENAI_API_KEY_FILE;\n' +
        'for this service run chatkit-mint login, or set CHATKIT_MINT_URL and CHATKIT_MINT_TOKEN (or --url, --token-file).',
    )
  }
  const problem = apiKeyProblem(source().reveal())
  if (problem === undefined) return source
  const [where, exitCode] =
    given === undefined ? ['OPENAI_API_KEY', EXIT.config] : ['--api-key', EXIT.usage]
  throw new CommandError(exitCode, `the API key (${where}) ${problem}. Nothing was sent.`)
}
