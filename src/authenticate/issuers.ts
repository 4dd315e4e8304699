// Builds the configured issuers, each with the keys that verify its tokens.

import type { JWK } from 'jose'
import type { Dispatcher } from 'undici'
import type { IssuerSettings } from '../config/settings.ts'
import type { Clock } from '../lib/clock.ts'
import { ServiceError, UnusableSettingError } from '../lib/errors.ts'
import { usableKeys } from '../lib/key-set.ts'
import type { Log } from '../lib/log.ts'
import type { Secret } from '../lib/secret.ts'
import { createDiscovery } from './keys/discovery.ts'
import { createFetchJson } from './keys/fetch-json.ts'
import type { IssuerKeys } from './keys/issuer-keys.ts'
import { createFindKeys, createFixedKeys, namesOf } from './keys/local-keys.ts'
import { createRemoteKeys } from './keys/remote-keys.ts'
import { algorithmsBeyond, createSecretKeys } from './keys/secret-keys.ts'

/** A configured issuer with its keys. */
export interface Issuer {
  readonly settings: IssuerSettings
  /** The key set; the secret where there is no set. */
  readonly keys: IssuerKeys
  /** The secret beside a key set: it alone verifies HS* tokens. */
  readonly secretKeys: IssuerKeys | undefined
}

/** All configured issuers, by the exact text of `iss`. */
export type Issuers = ReadonlyMap<string, Issuer>

/** The settings of all issuers, and everything their keys need. */
export interface IssuersOptions {
  readonly issuers: readonly IssuerSettings[]
  readonly now: Clock
  readonly log: Log
  /** Connections for fetching key sets and discovery documents. */
  readonly dispatcher: Dispatcher
  /** The secret in an environment variable, for issuers with `secret_env`. */
  readonly secrets: (envName: string) => Secret | undefined
}

/** @throws UnusableSettingError when inline key sets or secrets cannot be used; one line for each issuer */
export function createIssuers({ issuers, now, log, dispatcher, secrets }: IssuersOptions): Issuers {
  const parts = { now, log, dispatcher, secrets }
  const created = new Map<string, Issuer>()
  const problems: string[] = []
  for (const settings of issuers) {
    try {
      const { issuer, sharedSecretEnv: beside } = settings
      const keys = createKeys(settings, parts)
      const secretKeys =
        beside === undefined ? undefined : createSharedSecret(settings, beside, parts)
      created.set(issuer, { settings, keys, secretKeys })
    } catch (error) {
      if (!(error instanceof UnusableSettingError)) throw error
      problems.push(error.message)
    }
  }
  if (problems.length > 0) throw new UnusableSettingError(problems.join('\n'))
  return created
}

/**
 * The keys for a token's algorithm. Of a secret and a key set, the secret alone verifies HS*. So a token signed by HS256
 * with a public key as the secret (RFC 8725 §2.1) is never verified with that key.
 */
export function keysFor({ keys, secretKeys }: Issuer, alg: string): IssuerKeys {
  return secretKeys !== undefined && alg.startsWith('HS') ? secretKeys : keys
}

function createKeys(
  settings: IssuerSettings,
  { now, log, dispatcher, secrets }: Omit<IssuersOptions, 'issuers'>,
): IssuerKeys {
  const { issuer, keys: source, staleKeysSeconds: staleSeconds, insecureHttp } = settings
  const read = createKeySetReader(issuer, log)
  const fetchJson = createFetchJson({ dispatcher, insecureHttp })
  switch (source.kind) {
    case 'secret':
      return createSharedSecret(settings, source.secretEnv, { secrets, log })
    case 'jwks':
      return atStart(`issuer ${issuer}: jwks`, () => {
        const keys = read(source.jwks)
        return createFixedKeys(createFindKeys(keys), namesOf(keys))
      })
    case 'jwks_uri': {
      const url = new URL(source.url)
      const ifAbsent = 'no key set there; correct the path in `jwks_uri`'
      const load = async () => read(await fetchJson(url, ifAbsent))
      return createRemoteKeys({ issuer, staleSeconds, load, now, log })
    }
    case 'discovery': {
      const discovery = createDiscovery({ issuer, fetchJson, now })
      const { forget: forgetAddress } = discovery
      const load = async () => {
        const url = await discovery.keySetUrl()
        try {
          return read(await fetchJson(url))
        } catch (error) {
          forgetAddress()
          throw error
        }
      }
      return createRemoteKeys({ issuer, staleSeconds, load, forgetAddress, now, log })
    }
  }
}

function createSharedSecret(
  { issuer, algorithms }: IssuerSettings,
  envName: string,
  { secrets, log }: Pick<IssuersOptions, 'secrets' | 'log'>,
): IssuerKeys {
  const keys = atStart(`issuer ${issuer}: ${envName}`, () => {
    const onRefused = (problem: string) => log.warn({ issuer }, `${envName}: ${problem}`)
    return createSecretKeys(() => secrets(envName), onRefused)
  })
  const secret = secrets(envName)
  const beyond = secret === undefined ? [] : algorithmsBeyond(secret, algorithms)
  if (beyond.length > 0) {
    log.warn(
      { issuer, secret_env: envName, algorithms: beyond },
      'the secret is shorter than RFC 7518 requires',
    )
  }
  return keys
}

/** Reads an issuer's key sets. Keys that are left out are logged when they differ from the last ones. */
function createKeySetReader(issuer: string, log: Log) {
  let logged = ''
  return (set: unknown): readonly JWK[] =>
    usableKeys(set, (reasons) => {
      const text = reasons.join('; ')
      if (text !== logged) log.warn({ issuer, keys: reasons }, 'keys of the issuer are left out')
      logged = text
    })
}

/** An error here is a fault in the configuration, so the service must not start. */
function atStart<T>(what: string, create: () => T): T {
  try {
    return create()
  } catch (cause) {
    const why = cause instanceof ServiceError ? cause.reason : (cause as Error).message
    throw new UnusableSettingError(`${what}: ${why}`, { cause })
  }
}
