// The ChatKit API at OpenAI as an adapter of the port: the request of each operation, and the meaning of its answers.

import type { z } from 'zod'
import { issuePaths, ServiceError } from '../../lib/errors.ts'
import { parseSessionId, type SessionId, type ThreadId } from '../../lib/ids.ts'
import { type CallOptions, type ChatKit, UnusableSessionError } from '../port.ts'
import {
  type CreateSessionParams,
  type EndedSession,
  endedSession,
  type IssuedSession,
  issuedSession,
} from '../wire/session.ts'
import { thread, threadDeleted, threadItemPage, threadPage } from '../wire/thread.ts'
import type { ListQuery } from '../wire/wire.ts'
import {
  type ApiClient,
  type ApiClientOptions,
  createApiClient,
  describeAnswer,
  refusedBy,
} from './api-client.ts'
import type { UpstreamAnswer } from './exchange.ts'

/** An answer with a session has about 1 KiB; pages of items can hold whole conversations. */
const MAX_SESSION_BYTES = 256 * 1024
/**
 * A session repeats the state variables of its create, which a backend may send in up to 256 KiB, and JSON may
 * escape each character in six bytes.
 */
const MAX_ESCAPE_BYTES = 6
const MAX_CANCEL_BYTES = 2 * 1024 * 1024
const MAX_PAGE_BYTES = 16 * 1024 * 1024

/** @returns the port, and the state of its breakers for metrics */
export function createOpenAi(api: ApiClientOptions): ChatKit & Pick<ApiClient, 'breakers'> {
  const client = createApiClient(api)
  return {
    createSession: (params, call) => createSession(client, params, call),
    cancelSession: (id, call) => cancelSession(client, id, call),
    listThreads(query, call) {
      const path = `/chatkit/threads${search(query)}`
      // The list itself always exists, so a 404 means an unknown cursor, or without one a wrong request of ours.
      const hasCursor = query.after !== undefined || query.before !== undefined
      const gone = hasCursor ? 'invalid_request' : 'upstream_rejected'
      return read(client, { operation: 'list_threads', path, schema: threadPage, gone }, call)
    },
    retrieveThread(id, call) {
      const path = `/chatkit/threads/${id}`
      return read(client, { operation: 'retrieve_thread', path, schema: thread }, call)
    },
    deleteThread: (id, call) => deleteThread(client, id, call),
    listThreadItems(id, query, call) {
      const path = `/chatkit/threads/${id}/items${search(query)}`
      return read(client, { operation: 'list_thread_items', path, schema: threadItemPage }, call)
    },
    breakers: client.breakers,
  }
}

async function createSession(
  client: ApiClient,
  params: CreateSessionParams,
  call: CallOptions | undefined,
): Promise<IssuedSession> {
  const body = JSON.stringify(params)
  const answer = await client.send(
    {
      operation: 'create_session',
      lane: 'mint',
      method: 'POST',
      path: '/chatkit/sessions',
      body,
      maxBytes: Math.max(MAX_SESSION_BYTES, MAX_ESCAPE_BYTES * body.length),
      retry: 'when_failed',
    },
    call,
  )
  if (answer.status === 404 || answer.status === 410) {
    throw refused(answer, 'workflow_unavailable', `workflow ${params.workflow.id}`)
  }
  const json = okJson(client, answer)
  const session = issuedSession.safeParse(json)
  if (!session.success) {
    throw new UnusableSessionError('no session in the answer', sessionId(json, answer))
  }
  const { id, user, status } = session.data
  if (user !== params.user) throw new UnusableSessionError('of another user', id)
  if (status !== 'active') throw new UnusableSessionError(`a new session that is ${status}`, id)
  // In place: a schema that lets the rest pass would copy it member by member, for three times the cost.
  return Object.assign(json ?? {}, session.data)
}

/** Id of a session that exists now, even when the rest of the answer is unreadable or cut short. */
function sessionId(json: unknown, { body }: UpstreamAnswer): SessionId | undefined {
  const given = typeof json === 'object' && json !== null && 'id' in json ? json.id : undefined
  if (typeof given === 'string') return parseSessionId(given)
  return parseSessionId(/"id"\s*:\s*"(cksess_[^"]+)"/.exec(body.toString('utf8'))?.[1] ?? '')
}

async function cancelSession(
  client: ApiClient,
  id: SessionId,
  call: CallOptions | undefined,
): Promise<EndedSession | null> {
  const answer = await client.send(
    {
      operation: 'cancel_session',
      lane: 'cancel',
      method: 'POST',
      path: `/chatkit/sessions/${id}/cancel`,
      maxBytes: MAX_CANCEL_BYTES,
      // A failed answer is not retried here, because the outbox cancels again.
      retry: 'when_unanswered',
    },
    call,
  )
  if (answer.status === 404 || answer.status === 410) return null
  const session = parsed(endedSession, okJson(client, answer))
  if (session.id !== id) throw unusable('a cancel answered with another session')
  if (session.status === 'active') throw unusable('a cancelled session that is still active')
  return session
}

async function deleteThread(client: ApiClient, id: ThreadId, call: CallOptions | undefined) {
  const answer = await client.send(
    {
      operation: 'delete_thread',
      lane: 'threads',
      method: 'DELETE',
      path: `/chatkit/threads/${id}`,
      maxBytes: MAX_SESSION_BYTES,
      retry: 'never',
    },
    call,
  )
  if (answer.status === 404) throw refused(answer, 'not_found', 'thread')
  return parsed(threadDeleted, okJson(client, answer))
}

interface ReadRequest<S extends z.ZodType> {
  readonly operation: 'list_threads' | 'retrieve_thread' | 'list_thread_items'
  readonly path: string
  readonly schema: S
  /** The code for a 404; `not_found` when absent. */
  readonly gone?: 'not_found' | 'invalid_request' | 'upstream_rejected'
}

/** A read changes nothing, so it may be repeated after any failure. A 400 means that the client's query is wrong. */
async function read<S extends z.ZodType>(
  client: ApiClient,
  { operation, path, schema, gone = 'not_found' }: ReadRequest<S>,
  call: CallOptions | undefined,
): Promise<z.infer<S>> {
  const maxBytes = MAX_PAGE_BYTES
  const answer = await client.send(
    { operation, lane: 'threads', method: 'GET', path, maxBytes, retry: 'when_failed' },
    call,
  )
  if (answer.status === 404) throw refused(answer, gone, operation)
  if (answer.status === 400) throw refused(answer, 'invalid_request', operation)
  return parsed(schema, okJson(client, answer))
}

/** Decodes as `Response.json()` does: a byte order mark is left out. */
const utf8 = new TextDecoder()

/** The parsed body of a 2xx; undefined, which every schema refuses, when it is not JSON. */
function okJson(client: ApiClient, answer: UpstreamAnswer): unknown {
  if (answer.status < 200 || answer.status > 299) throw client.errorFor(answer)
  try {
    return JSON.parse(utf8.decode(answer.body))
  } catch {
    return undefined
  }
}

function parsed<S extends z.ZodType>(schema: S, json: unknown): z.infer<S> {
  const result = schema.safeParse(json)
  if (result.success) return result.data
  throw unusable(`differs from the API reference at: ${issuePaths(result.error)}`)
}

function unusable(reason: string): ServiceError {
  return new ServiceError('upstream_invalid_response', { reason })
}

function refused(
  answer: UpstreamAnswer,
  code: 'workflow_unavailable' | 'not_found' | 'invalid_request' | 'upstream_rejected',
  what: string,
): ServiceError {
  const reason = `${what}: ${describeAnswer(answer)}`
  return new ServiceError(code, { reason, refused: refusedBy(answer) })
}

function search(query: ListQuery): string {
  const pairs = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) pairs.append(name, String(value))
  }
  return pairs.size === 0 ? '' : `?${pairs}`
}
