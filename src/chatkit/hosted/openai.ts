import type { z } from 'zod'
import { ServiceError } from '../../lib/errors.ts'
import { OBJECT_ID } from '../../lib/ids.ts'
import type { CallOptions, ChatKit } from '../port.ts'
import { UnusableSessionError } from '../port.ts'
import {
  type CreateSessionParams,
  type EndedSession,
  endedSession,
  type IssuedSession,
  issuedSession,
} from '../wire/session.ts'
import {
  type ThreadPage,
  thread,
  threadDeleted,
  threadItemPage,
  threadPage,
} from '../wire/thread.ts'
import type { ListQuery, ThreadListQuery } from '../wire/wire.ts'
import { type Answer, type Caller, type CallerOptions, createCaller } from './api-client.ts'
import type { BreakerState } from './breaker.ts'

/** A session answer is some 1 KiB; pages of items can hold whole conversations. */
const MAX_SESSION_BYTES = 256 * 1024
const MAX_PAGE_BYTES = 16 * 1024 * 1024

/**
 * The ChatKit API at OpenAI, over HTTP.
 *
 * @param options - address, key, connections, deadline
 * @returns the port, and the state of its breakers for metrics
 */
export function createOpenAi(
  options: CallerOptions,
): ChatKit & { breakers(): Readonly<Record<'api' | 'cancel', BreakerState>> } {
  const caller = createCaller(options)
  return {
    createSession: (params, call) => createSession(caller, params, call),
    cancelSession: (id, call) => cancelSession(caller, id, call),
    listThreads: (query, call) => listThreads(caller, query, call),
    async retrieveThread(id, call) {
      const path = `/chatkit/threads/${checked(id)}`
      return read(caller, { operation: 'retrieve_thread', path, schema: thread }, call)
    },
    deleteThread: (id, call) => deleteThread(caller, id, call),
    async listThreadItems(id, query, call) {
      const path = `/chatkit/threads/${checked(id)}/items${search(query)}`
      return read(caller, { operation: 'list_thread_items', path, schema: threadItemPage }, call)
    },
    breakers: caller.breakers,
  }
}

async function createSession(
  caller: Caller,
  params: CreateSessionParams,
  call: CallOptions | undefined,
): Promise<IssuedSession> {
  const answer = await caller.send(
    {
      operation: 'create_session',
      method: 'POST',
      path: '/chatkit/sessions',
      body: JSON.stringify(params),
      maxBytes: MAX_SESSION_BYTES,
      retry: 'when_failed',
    },
    call,
  )
  if (answer.status === 404 || answer.status === 410) {
    throw refused(answer, 'workflow_unavailable', `workflow ${params.workflow.id}`)
  }
  refuseOtherThanOk(answer)
  const json = jsonOf(answer)
  const session = issuedSession.safeParse(json)
  const id = sessionId(json, answer)
  if (!session.success) throw new UnusableSessionError('no session in the answer', id)
  // What cannot be cancelled must not be handed out.
  if (id === undefined) throw new UnusableSessionError('an id that no path can hold', id)
  if (session.data.user !== params.user) throw new UnusableSessionError('of another user', id)
  if (session.data.status !== 'active') {
    throw new UnusableSessionError(`a new session that is ${session.data.status}`, id)
  }
  return session.data
}

/** Of a session that exists now, even when the rest of the answer is unreadable or cut short. */
function sessionId(json: unknown, { body }: Answer): string | undefined {
  const given = typeof json === 'object' && json !== null && 'id' in json ? json.id : undefined
  if (typeof given === 'string') return OBJECT_ID.test(given) ? given : undefined
  return /"id"\s*:\s*"(cksess_[A-Za-z0-9_-]{1,121})"/.exec(body.toString('utf8'))?.[1]
}

async function cancelSession(
  caller: Caller,
  id: string,
  call: CallOptions | undefined,
): Promise<EndedSession | null> {
  const answer = await caller.send(
    {
      operation: 'cancel_session',
      method: 'POST',
      path: `/chatkit/sessions/${checked(id)}/cancel`,
      maxBytes: MAX_SESSION_BYTES,
      // Harmless when repeated. Whoever cancels keeps at it, so an answer stands as it is.
      retry: 'when_unanswered',
    },
    call,
  )
  if (answer.status === 404 || answer.status === 410) return null
  const session = parsed(endedSession, okJson(answer))
  if (session.id !== id) throw unusable('a cancel answered with another session')
  if (session.status === 'active') throw unusable('a cancelled session that is still active')
  return session
}

async function deleteThread(caller: Caller, id: string, call: CallOptions | undefined) {
  const path = `/chatkit/threads/${checked(id)}`
  const maxBytes = MAX_SESSION_BYTES
  const answer = await caller.send(
    { operation: 'delete_thread', method: 'DELETE', path, maxBytes, retry: 'never' },
    call,
  )
  if (answer.status === 404) throw refused(answer, 'not_found', 'thread')
  return parsed(threadDeleted, okJson(answer))
}

/** The list is always there: a 404 is about the cursor, and without one about our own request. */
async function listThreads(
  caller: Caller,
  query: ThreadListQuery,
  call: CallOptions | undefined,
): Promise<ThreadPage> {
  const path = `/chatkit/threads${search(query)}`
  const hasCursor = query.after !== undefined || query.before !== undefined
  const gone = hasCursor ? 'invalid_request' : 'upstream_rejected'
  return read(caller, { operation: 'list_threads', path, schema: threadPage, gone }, call)
}

interface ReadRequest<S extends z.ZodType> {
  readonly operation: 'list_threads' | 'retrieve_thread' | 'list_thread_items'
  readonly path: string
  readonly schema: S
  /** What a 404 means. */
  readonly gone?: 'not_found' | 'invalid_request' | 'upstream_rejected'
}

/** GETs change nothing, so they share one way: 400 is the client's query. */
async function read<S extends z.ZodType>(
  caller: Caller,
  { operation, path, schema, gone = 'not_found' }: ReadRequest<S>,
  call: CallOptions | undefined,
): Promise<z.infer<S>> {
  const request = { operation, path, method: 'GET', maxBytes: MAX_PAGE_BYTES } as const
  const answer = await caller.send({ ...request, retry: 'when_failed' }, call)
  if (answer.status === 404) throw refused(answer, gone, operation)
  if (answer.status === 400) throw refused(answer, 'invalid_request', operation)
  return parsed(schema, okJson(answer))
}

function refuseOtherThanOk(answer: Answer): void {
  if (answer.status < 200 || answer.status > 299) throw answer.error()
}

function okJson(answer: Answer): unknown {
  refuseOtherThanOk(answer)
  return jsonOf(answer)
}

/** Undefined, which no schema takes, when it is none. */
function jsonOf({ body }: Answer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}

function parsed<S extends z.ZodType>(schema: S, json: unknown): z.infer<S> {
  const result = schema.safeParse(json)
  if (result.success) return result.data
  const where = result.error.issues.map((issue) => issue.path.join('.') || 'the whole').join(', ')
  throw unusable(`not as the reference has it: ${where}`)
}

function unusable(reason: string): ServiceError {
  return new ServiceError('upstream_invalid_response', { reason })
}

function refused(
  answer: Answer,
  code: 'workflow_unavailable' | 'not_found' | 'invalid_request' | 'upstream_rejected',
  what: string,
): ServiceError {
  return new ServiceError(code, { reason: `${what}: ${answer.describe()}` })
}

function checked(id: string): string {
  if (OBJECT_ID.test(id)) return id
  throw new ServiceError('invalid_request', { reason: 'an id with characters ids do not have' })
}

function search(query: ListQuery): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== undefined)
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs.map(([k, v]) => [k, String(v)]))}`
}
