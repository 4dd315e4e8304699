import { ServiceError } from '../../lib/errors.ts'
import type { AppContext } from '../context.ts'

/** What `/readyz` asks. */
export interface Readiness {
  readonly draining: () => boolean
  /** Whether the keys of at least one issuer are usable. */
  readonly keysUsable: () => boolean
  /** Throws `store_unavailable` when the store cannot be written. */
  readonly checkStore: () => Promise<void>
}

/** `GET /livez`: the process serves. Asks nothing, so that no neighbour's fault restarts us. */
export function answerLive(c: AppContext): Response {
  return c.json({ status: 'live' })
}

/**
 * `GET /readyz`: whether to send requests here. OpenAI plays no part: when it is down every instance
 * is equally useless, and taking them all out would turn clear errors into none.
 *
 * @param readiness - the three questions
 */
export function answerReady(readiness: Readiness) {
  return async (c: AppContext): Promise<Response> => {
    if (readiness.draining()) throw new ServiceError('shutting_down', { reason: 'draining' })
    await readiness.checkStore()
    if (!readiness.keysUsable()) {
      throw new ServiceError('idp_unavailable', { reason: 'no issuer has usable keys' })
    }
    return c.json({ status: 'ready' })
  }
}
