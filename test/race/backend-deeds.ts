// Creates and cancels by a backend's API key, through the code that the routes for backends call.
import { EventEmitter } from 'node:events'
import type { HostedWorkflow } from '../../src/config/settings.ts'
import { createBackend } from '../../src/http/backend/backend.ts'
import type { AppContext } from '../../src/http/context.ts'
import type { Clock } from '../../src/lib/clock.ts'
import { isCode } from '../../src/lib/errors.ts'
import type { Mint } from '../../src/mint/mint.ts'
import type { Registry } from '../../src/registry/port.ts'
import type { Revoke } from '../../src/revoke/revoke.ts'
import { sessionId, workflowName } from '../support/ids.ts'
import type { Order, Result } from './orders.ts'

/** Deeds of a run at the most: each has a workflow of its own, so that the upstream knows whose call it gets. */
const MOST_DEEDS = 250
const WORKFLOWS = Array.from({ length: MOST_DEEDS }, (_, deed) => workflowOf(String(deed)))
const API_KEY = { id: 'race', sha256: [], workflows: undefined }
const UNLIMITED = { max: 10_000_000, seconds: 60 }

function workflowOf(deed: string): HostedWorkflow {
  return {
    kind: 'hosted',
    name: workflowName(deed),
    id: 'wf_race',
    version: undefined,
    fallback: undefined,
    apiKeyEnv: '',
    baseUrl: undefined,
    tracing: { enabled: false },
    chatkitConfiguration: undefined,
    answersTo: [],
    when: undefined,
    stateVariables: new Map(),
    input: new Map(),
    expiresAfterSeconds: undefined,
    maxRequestsPerMinute: undefined,
  }
}

export function createBackendDeeds(parts: {
  readonly registry: Pick<Registry, 'getSession' | 'listSessions'>
  readonly mint: Mint
  readonly revoke: Pick<Revoke, 'cancelSession'>
  readonly now: Clock
}) {
  const backend = createBackend({
    ...parts,
    settings: { workflows: WORKFLOWS, apiKeys: [], limits: { mintsPerUser: UNLIMITED } },
    threadsFor: () => {
      throw new TypeError('nothing here has threads')
    },
    audit: { write: async () => {} },
    hashUser: () => undefined,
  })
  return {
    async create(
      { user, seconds }: Extract<Order, { kind: 'mint' }>,
      deed: string,
      signal: AbortSignal | undefined,
    ): Promise<Result> {
      const made = await backend.createSession(aContext(signal), {
        user,
        workflow: { id: deed },
        expires_after: { anchor: 'created_at', seconds },
      })
      return { minted: { session: sessionId(made.id), secret: made.client_secret } }
    },
    /** A cancel that the upstream has not confirmed is an answered one: it goes on. */
    async cancel(order: Extract<Order, { kind: 'cancel' }>): Promise<Result> {
      try {
        const { status } = await backend.cancelSession(aContext(), order.session)
        return { known: true, status }
      } catch (error) {
        if (isCode(error, 'not_found')) return { known: false }
        if (isCode(error, 'upstream_unavailable')) return { known: true }
        throw error
      }
    },
  }
}

/**
 * A request's context, as far as the operations look into it.
 *
 * @param signal - aborts when the client leaves; it never does without one
 */
function aContext(signal = new AbortController().signal): AppContext {
  const values = { apiKey: API_KEY, requestId: '', facts: {}, headers: {} }
  const context = {
    var: values,
    env: { outgoing: outgoingUntil(signal) },
    get: (name: keyof typeof values) => values[name],
    set: () => {},
  }
  return context as unknown as AppContext
}

/** Node's side of an answer that is not written yet. */
function outgoingUntil(signal: AbortSignal) {
  const outgoing = Object.assign(new EventEmitter(), { closed: false, writableFinished: false })
  signal.addEventListener('abort', () => {
    outgoing.closed = true
    outgoing.emit('close')
  })
  return outgoing
}
