// Step 4 of a mint: the only code that writes a client secret into an answer.

import type { Secret } from '../lib/secret.ts'

const JSON_HEADERS = { 'Content-Type': 'application/json' }

/**
 * The answer to a mint: the client secret and nothing else, as in ChatKit's samples.
 *
 * @param secret - of a session that is in the registry
 */
export function clientSecretAnswer(secret: Secret) {
  const body = JSON.stringify({ client_secret: secret.reveal() })
  return { status: 200, headers: JSON_HEADERS, body }
}
