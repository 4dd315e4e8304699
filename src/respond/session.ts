import type { Secret } from '../lib/secret.ts'

/** The answer to a mint: the client secret and nothing else, as ChatKit's samples have it. */
export interface ClientSecretAnswer {
  readonly client_secret: string
}

/**
 * STEP 4 for a mint. The one place where a client secret becomes text for the outside.
 *
 * @param secret - of a session that is on the books
 */
export function presentClientSecret(secret: Secret): ClientSecretAnswer {
  return { client_secret: secret.reveal() }
}
