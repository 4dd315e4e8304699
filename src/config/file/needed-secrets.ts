// Finds the secrets that a config file refers to, and checks that the environment has them.

import { randomKeyProblem, type Secret, sharedSecretProblem } from '../../lib/secret.ts'
import { apiKeyProblem } from '../api-key.ts'
import type { PlacedExpression } from '../expressions/checks.ts'
import { asList, asMapping, type Path, type RawMapping, type Report } from './problems.ts'

/**
 * Looks up a secret by the name of its environment variable. `unchecked` means that the value is not judged: it
 * was unreadable, which is reported already, or this command does not need it.
 */
export type SecretLookup = (name: string, kind: SecretKind) => Secret | 'unchecked' | undefined

/** The purpose of a secret. */
type SecretKind = 'api_key' | 'shared_secret' | 'pseudonym_key' | 'client_secret'

/** Variable with the key of `pseudonym()`. */
export const PSEUDONYM_KEY = 'USER_PSEUDONYM_KEY'

/** Why a text cannot be a secret of that kind, as the end of a sentence. */
const PROBLEM_OF: Readonly<Partial<Record<SecretKind, (text: string) => string | undefined>>> = {
  api_key: apiKeyProblem,
  shared_secret: sharedSecretProblem,
  pseudonym_key: randomKeyProblem,
}

/** A secret that the file refers to. */
interface NeededSecret {
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
  const problem = PROBLEM_OF[kind]?.(value)
  return problem && `which ${problem}`
}
