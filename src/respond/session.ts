// STEP 4 for a mint: the only place where a client secret becomes text for the outside.
import type { Secret } from '../lib/secret.ts'

const JSON_HEADERS = { 'Content-Type': 'application/json' }

/**
 * The answer to a mint: the client secret and nothing else, as ChatKit's samples have it.
 *
 * @param secret - of a session that is in the registry
 */
export function clientSecretAnswer(secret: Secret) {
  const body = JSON.stringify({ client_secret: secret.reveal() })
  return { status: 200, headers: JSON_HEADERS, body }
}
