// The two routes that tell an orchestrator about this process: whether it serves, and whether to send it
// requests.

import { z } from 'zod'
import { ServiceError } from '../../lib/errors.ts'
import type { AppContext } from '../context.ts'
import { jsonAnswer, type RouteDefinitions } from '../route-definition.ts'

const live = z
  .object({ status: z.literal('live').describe('Always `live`.') })
  .meta({ id: 'Live', description: 'The process serves.' })
const ready = z
  .object({ status: z.literal('ready').describe('Always `ready`.') })
  .meta({ id: 'Ready', description: 'Requests can be sent here.' })

export const HEALTH_ROUTES = {
  live: {
    method: 'GET',
    path: '/livez',
    checks: [],
    summary: 'Whether the process serves',
    description: 'Asks nothing of the store, the issuers or OpenAI.',
    tag: 'operation',
    answers: [jsonAnswer('The process serves.', live, { status: 'live' })],
  },
  ready: {
    method: 'GET',
    path: '/readyz',
    checks: [],
    summary: 'Whether to send requests here',
    description: 'The store can be written and the keys of at least one issuer are usable.',
    tag: 'operation',
    answers: [jsonAnswer('Ready.', ready, { status: 'ready' })],
    problems: ['store_unavailable', 'idp_unavailable', 'shutting_down'],
  },
} satisfies RouteDefinitions

/** Checks nothing, so that a fault of another system never restarts the process. */
export function answerLive(c: AppContext): Response {
  return c.json({ status: 'live' })
}

/**
 * OpenAI is not checked: when it is down, every instance fails alike, and taking all of them out of service
 * would only hide the clear errors.
 */
export function answerReady({
  draining,
  keysUsable,
  checkStore,
}: {
  readonly draining: AbortSignal
  /** Whether the keys of at least one issuer are usable. */
  readonly keysUsable: () => boolean
  /** Throws `store_unavailable` when the store cannot be written. */
  readonly checkStore: () => Promise<void>
}) {
  return async (c: AppContext): Promise<Response> => {
    if (draining.aborted) throw new ServiceError('shutting_down', { reason: 'draining' })
    await checkStore()
    if (!keysUsable()) {
      throw new ServiceError('idp_unavailable', { reason: 'no issuer has usable keys' })
    }
    return c.json({ status: 'ready' })
  }
}
