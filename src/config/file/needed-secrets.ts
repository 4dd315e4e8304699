// Finds the secrets that a config file refers to, and checks that the environment has them.

import type { Secret } from '../../lib/secret.ts'
import { apiKeyProblem } from '../api-key.ts'
import type { PlacedExpression } from '../expressions/checks.ts'
import { readPseudonymKey } from '../expressions/pseudonym.ts'
import { asList, asMapping, type Path, type RawMapping, type Report } from './problems.ts'

/**
 * Looks up a secret by the name of its environment variable. `unchecked` means that the value is not judged: it
 * was unreadable, which is reported already, or this command does not need it.
 */
export type SecretLookup = (name: string, kind: SecretKind) => Secret | 'unchecked' | undefined

/** The purpose of a secret. */
export type SecretKind = 'api_key' | 'shared_secret' | 'pseudonym_key' | 'client_secret'

/** Variable with the key of `pseudonym()`. */
export const PSEUDONYM_KEY = 'USER_PSEUDONYM_KEY'

/** RFC 7518 §3.2 asks HS256 for a key as long as its hash. */
const MIN_SHARED_SECRET_BYTES = 32

/** A secret that the file refers to. */
export interface NeededSecret {
  readonly name: string
  /** The key of the file that needs it. */
  readonly path: Path
  readonly kind: SecretKind
}

/** The secrets that the service needs with this file. */
export function neededSecrets(
  data: RawMapping,
  expressions: readonly PlacedExpression[],
): NeededSecret[] {
  const needed: NeededSecret[] = []
  const need = (name: unknown, path: Path, kind: SecretKind): void => {
    if (typeof name === 'string') needed.push({ name, path, kind })
  }
  for (const [at, issuer] of asList(data['issuers']).entries()) {
    need(asMapping(issuer)['secret_env'], ['issuers', at, 'secret_env'], 'shared_secret')
  }
  for (const [name, workflow] of Object.entries(asMapping(data['workflows']))) {
    if (asMapping(workflow)['server'] !== undefined) continue
    const variable = asMapping(workflow)['api_key_env'] ?? 'OPENAI_API_KEY'
    need(variable, ['workflows', name, 'api_key_env'], 'api_key')
  }
  need(
    asMapping(data['console'])['client_secret_env'],
    ['console', 'client_secret_env'],
    'client_secret',
  )
  for (const { path, compiled } of expressions) {
    if (compiled.callsPseudonym) need(PSEUDONYM_KEY, path, 'pseudonym_key')
  }
  return needed
}

/**
 * Checks that the secrets are set, and that each is usable for its purpose.
 *
 * @param needed - from {@link neededSecrets}
 * @param report - called once for each secret, at the first key that needs it
 */
export function reportMissingSecrets(
  needed: readonly NeededSecret[],
  secrets: SecretLookup,
  report: Report,
): void {
  const seen = new Set<string>()
  for (const { name, path, kind } of needed) {
    if (seen.has(`${kind} ${name}`)) continue
    seen.add(`${kind} ${name}`)
    const secret = secrets(name, kind)
    const problem = secret === 'unchecked' ? undefined : secretProblem(secret, kind)
    if (problem !== undefined) report(path, `needs ${name} in the environment, ${problem}`)
  }
}

function secretProblem(secret: Secret | undefined, kind: SecretKind): string | undefined {
  const value = secret?.reveal() ?? ''
  if (value === '') return 'which is not set; set it, or its _FILE twin'
  const keyProblem = kind === 'api_key' ? apiKeyProblem(value) : undefined
  if (keyProblem !== undefined) return `which ${keyProblem}`
  if (kind === 'shared_secret' && Buffer.byteLength(value) < MIN_SHARED_SECRET_BYTES) {
    return `which is shorter than ${MIN_SHARED_SECRET_BYTES} bytes; use a longer secret`
  }
  if (kind === 'shared_secret' && isCredential(value)) {
    return 'which is a token, a PEM or a JWK, and no secret; use the plain text of the secret'
  }
  if (kind === 'pseudonym_key' && readPseudonymKey(value) === undefined) {
    return 'which is not base64url of at least 32 bytes; make one with: openssl rand -base64 32 | tr +/ -_'
  }
  return undefined
}

/**
 * Whether a text is a JWT, a PEM block or a JWK. Public keys, and the `anon` keys in Supabase's pages, are
 * known to everybody. As a secret they would let everybody make tokens.
 */
function isCredential(value: string): boolean {
  const text = value.trim()
  if (/-----BEGIN [A-Z ]+-----/.test(text)) return true
  if (/^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(text)) return true
  return text.startsWith('{') && /"(?:kty|keys)"\s*:/.test(text)
}
