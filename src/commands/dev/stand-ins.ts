// Replaces the config's keys by keys of this start, and real servers by the embedded ones.

import type { Environment } from '../../config/env.ts'
import { isPlaceholder } from '../../config/file/placeholders.ts'
import type {
  HostedWorkflow,
  IssuerSettings,
  Settings,
  WorkflowSettings,
} from '../../config/settings.ts'
import { newSigningKey, publicHalf } from '../../embedded/sign-in/keys.ts'
import { newRandomKey, Secret } from '../../lib/secret.ts'
import { neededClaims } from './people.ts'

/** Name under which the key of the embedded ChatKit API is found; no config can name such a variable. */
const EMBEDDED_KEY = 'embedded ChatKit API'
/** Origins of pages in development, where Next.js and Vite listen. */
const PAGES = ['http://localhost:3000', 'http://localhost:5173'] as const

/** The config's issuers, with keys made for this start. */
type DevIssuers = Awaited<ReturnType<typeof withOwnKeys>>

/**
 * Makes a key for each issuer, so that no other service accepts tokens of this start, and this one accepts no
 * tokens from elsewhere.
 */
export async function withOwnKeys(issuers: readonly IssuerSettings[]) {
  const secrets = new Map<string, string>()
  const all = await Promise.all(issuers.map((issuer) => withOwnKey(issuer, secrets)))
  const made = all.map(({ settings, key }) => {
    const requiredClaims = [...settings.requiredClaims, ...neededClaims(settings.user.source)]
    return { settings: { ...settings, requiredClaims }, key }
  })
  return {
    /** For the service, with public keys and names of secrets. */
    settings: all.map(({ settings }) => settings),
    /** For the sign-in, with private keys. */
    made,
    /** The secrets that both share, by variable. */
    secrets,
  }
}

async function withOwnKey(issuer: IssuerSettings, secrets: Map<string, string>) {
  const { keys, sharedSecretEnv, algorithms } = issuer
  const name = keys.kind === 'secret' ? keys.secretEnv : sharedSecretEnv
  if (name !== undefined && !secrets.has(name)) secrets.set(name, newRandomKey() + newRandomKey())
  const published = algorithms.find((alg) => !alg.startsWith('HS'))
  const key = await newSigningKey(published ?? 'ES256')
  const jwks = { kind: 'jwks', jwks: { keys: [publicHalf(key)] } } as const
  const settings: IssuerSettings = keys.kind === 'secret' ? issuer : { ...issuer, keys: jwks }
  const [alg = ''] = algorithms
  const secret = name === undefined ? undefined : secrets.get(name)
  const isShared = alg.startsWith('HS') && secret !== undefined
  return { settings, key: isShared ? { alg, secret } : key }
}

/** Whether the embedded ChatKit API stands in for OpenAI's for this workflow. */
export function isEmbedded(
  workflow: WorkflowSettings,
  has: (name: string) => boolean,
): workflow is HostedWorkflow {
  if (workflow.kind !== 'hosted') return false
  // OpenAI would refuse a placeholder as id, with any key.
  return !has(workflow.apiKeyEnv) || isPlaceholder(workflow.id)
}

/** The addresses and keys that replace those of the config. */
interface DevPlaces {
  /** The sign-in's own issuer. */
  readonly signIn: string
  /** Base URL of the embedded ChatKit API; undefined when no workflow needs it. */
  readonly chatkitUrl: string | undefined
  readonly issuers: DevIssuers
  readonly has: (name: string) => boolean
}

/** The config's settings, with the replacements of this start. */
export function devSettings(settings: Settings, places: DevPlaces): Settings {
  const { signIn, chatkitUrl: baseUrl, issuers, has } = places
  const { admins, console: login } = settings
  const like = issuers.settings.find(({ issuer }) => issuer === login?.issuer)
  const own = signInIssuer(signIn, like ?? issuers.settings[0])
  return {
    ...settings,
    issuers: [...issuers.settings, ...own],
    workflows: settings.workflows.map((workflow) =>
      isEmbedded(workflow, has) ? { ...workflow, apiKeyEnv: EMBEDDED_KEY, baseUrl } : workflow,
    ),
    admins: admins && { ...admins, issuers: [...admins.issuers, signIn] },
    console: login && { ...login, issuer: signIn, clientId: 'console' },
    corsOrigins: [...new Set([...settings.corsOrigins, ...PAGES])],
  }
}

/**
 * The sign-in as an issuer of its own, for the console and for apps that sign in there. Its users are mapped
 * like those of `like`.
 */
function signInIssuer(issuer: string, like: IssuerSettings | undefined): IssuerSettings[] {
  if (like === undefined) return []
  return [
    {
      ...like,
      issuer,
      tenant: undefined,
      audience: ['chat-api'],
      audienceClaim: 'aud',
      audienceWhenAbsent: 'refuse',
      algorithms: ['ES256'],
      keys: { kind: 'discovery' },
      insecureHttp: false,
      sharedSecretEnv: undefined,
      tokenTypes: ['at+jwt'],
      requiredClaims: ['exp', 'sub'],
      cookie: undefined,
      tokenHeader: undefined,
      logout: undefined,
    },
  ]
}

/** The environment, in which the secrets of this start replace the real ones. */
export function withSecrets(
  environment: Environment,
  secrets: ReadonlyMap<string, string>,
): Environment {
  const made = new Map([...secrets, [EMBEDDED_KEY, `sk-dev-${newRandomKey()}`]])
  return {
    ...environment,
    secret(name) {
      const text = made.get(name)
      if (text === undefined) return environment.secret(name)
      const secret = new Secret(text)
      return () => secret
    },
  }
}
