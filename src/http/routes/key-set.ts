import type { Handler } from 'hono'
import type { SigningKeys } from '../../chatkit/signing/signing-keys.ts'
import type { AppEnv } from '../context.ts'

/**
 * `GET /.well-known/jwks.json`: the keys by which a self-hosted server, or whoever is handed one of
 * our tokens, verifies it (RFC 7517 §5).
 *
 * @param keys - ours
 */
export function answerKeySet(keys: SigningKeys): Handler<AppEnv> {
  const body = JSON.stringify(keys.publicKeys)
  return (c) => {
    c.header('Cache-Control', 'public, max-age=300')
    c.header('Vary', 'Origin')
    c.header('Content-Type', 'application/json')
    return c.body(body)
  }
}
