// The port to ChatKit: the operations that the service needs of an upstream, hosted or self-hosted, and
// the errors that each can throw.

import type { CallerSignal } from '../lib/deadline.ts'
import { ServiceError } from '../lib/errors.ts'
import type { SessionId, ThreadId } from '../lib/ids.ts'
import type { CreateSessionParams, EndedSession, IssuedSession } from './wire/session.ts'
import type { Thread, ThreadDeleted, ThreadItemPage, ThreadPage } from './wire/thread.ts'
import type { ListQuery, ThreadListQuery } from './wire/wire.ts'

/**
 * The answer to a create has a session that must not be used: it is for another user, is not active, or lacks a
 * field of the reference. The caller cancels it, if its id could be read.
 */
export class UnusableSessionError extends ServiceError {
  readonly sessionId: SessionId | undefined

  /** @param sessionId - of the session that now exists upstream */
  constructor(reason: string, sessionId: SessionId | undefined) {
    super('upstream_invalid_response', { reason })
    this.sessionId = sessionId
  }
}

/** Names of the operations in logs and metrics. */
export type ChatKitOperation =
  | 'create_session'
  | 'cancel_session'
  | 'list_threads'
  | 'retrieve_thread'
  | 'delete_thread'
  | 'list_thread_items'
  | 'delete_attachment'

/** Result of a call, for logs and metrics. It holds no key, no client secret and no user. */
export interface UpstreamCall {
  readonly operation: ChatKitOperation
  /** HTTP status of the last attempt; undefined when no answer came. */
  readonly status: number | undefined
  /** `x-request-id` of the last answer, by which the API's operators find it. */
  readonly requestId: string | undefined
  /** Duration of all attempts together. */
  readonly milliseconds: number
  /** Number of times that the request was sent; 0 when it was refused before (breaker open, too many calls at once). */
  readonly attempts: number
}

/**
 * Milliseconds for one call, including its wait for a slot, its retry and the body of its answer. A call to a
 * fallback workflow gets only the rest of that time. A whole mint takes at most about 26 s: 10 s for a body that
 * arrives slowly, twice 3 s to discover and fetch a key set, these 8 s, and a few store steps of up to 250 ms each.
 */
export const CALL_DEADLINE_MS = 8000

/**
 * Calls of a lane that may be under way at a time. The lane's connection pool has as many connections: with
 * fewer, calls would queue for one, oldest first and until their deadline. With calls of 150 ms, a queue of the
 * same length is served before its calls give up.
 */
export const LANE_SLOTS = 256

export interface CallOptions {
  /** Milliseconds left, when an earlier call took a part of {@link CALL_DEADLINE_MS}. */
  readonly withinMs?: number | undefined
  /** Abandons the call. A create that was sent may still have made a session. */
  readonly signal?: CallerSignal
  /** Called once when the call is over, whether it succeeded or not; not when no upstream is asked. */
  readonly observe?: (call: UpstreamCall) => void
  /** Called with the number of further bytes of an answer, before they are kept; may throw `overloaded`. */
  readonly hold?: ((bytes: number) => void) | undefined
  /** Parses an answer in turn with other large answers of the user, with rests between them; absent: at once. */
  readonly work?: (<T>(run: () => T) => Promise<T>) | undefined
  /** Who reads: a user or an API key. Threads that fail or hang for one caller must not stop the reads of others. */
  readonly caller?: string | undefined
  /** Called for each thread that a list lacks because its self-hosted server cannot show it. */
  readonly onMissing?: (id: string) => void
  /**
   * For a call about one thread: it fails with `not_found` unless the thread belongs to this user. Only the
   * self-hosted adapter checks that, in the ownership records. The ChatKit API cannot, but its threads name
   * their user, which callers compare themselves.
   */
  readonly asUser?: string | undefined
}

/**
 * The ChatKit API as the service uses it: all six operations of its reference, in its own shapes. An adapter
 * holds the credential. Its callers decide who may do what, because the API does not: thread calls take any id,
 * and a list without `user` has everyone's threads.
 *
 * Each operation can throw a `ServiceError` with one of these codes, besides those listed with the operation:
 *
 * - `upstream_auth_failed`: 401 or 403, our key is not accepted
 * - `upstream_rejected`: another 4xx, the API refused what we sent
 * - `upstream_invalid_response`: the answer is not what the reference says, a redirect, or too large
 * - `upstream_rate_limited`: 429
 * - `upstream_unavailable`: 5xx, no connection, or a breaker that is open
 * - `upstream_timeout`: the deadline for all attempts passed
 * - `overloaded`: more calls under way than the adapter allows
 *
 * When `call.signal` aborts, the promise rejects with the signal's reason.
 */
export interface ChatKit {
  /**
   * `POST /chatkit/sessions`
   *
   * @param params - sent as they stand; within the bounds of `createSessionParams`
   * @returns the session, which is active and of the user in `params`
   * @throws {@link UnusableSessionError} for any other session in the answer; `workflow_unavailable` when the API no
   * longer has the workflow (404, 410)
   */
  createSession(params: CreateSessionParams, call?: CallOptions): Promise<IssuedSession>

  /**
   * `POST /chatkit/sessions/{id}/cancel`: stops new requests with its client secret; harmless when repeated.
   *
   * @returns the session; null when the API no longer knows it (404, 410) and its client secret is useless
   */
  cancelSession(id: SessionId, call?: CallOptions): Promise<EndedSession | null>

  /**
   * `GET /chatkit/threads`
   *
   * `after` continues a list in its own order, `before` goes back from an entry of it.
   *
   * @param query - without `user`, the threads of all users
   * @throws `invalid_request` when the API refuses the query (400) or does not know the cursor (404):
   * cursors are the client's; a 404 without one is `upstream_rejected`
   */
  listThreads(query: ThreadListQuery, call?: CallOptions): Promise<ThreadPage>

  /**
   * `GET /chatkit/threads/{id}`
   *
   * @param id - of the thread, whoever owns it
   * @throws `not_found` when there is no such thread
   */
  retrieveThread(id: ThreadId, call?: CallOptions): Promise<Thread>

  /**
   * `DELETE /chatkit/threads/{id}`: the thread, its items and attachments.
   *
   * @param id - of the thread, whoever owns it
   * @throws `not_found` when there is no such thread
   */
  deleteThread(id: ThreadId, call?: CallOptions): Promise<ThreadDeleted>

  /**
   * `GET /chatkit/threads/{id}/items`
   *
   * @param id - of the thread, whoever owns it
   * @throws `not_found` when there is no such thread; `invalid_request` when the API refuses the
   * query (400): cursors are the client's
   */
  listThreadItems(id: ThreadId, query: ListQuery, call?: CallOptions): Promise<ThreadItemPage>

  /**
   * Only for self-hosted servers, where an attachment may belong to no thread. The ChatKit API deletes
   * attachments with their threads.
   *
   * @throws `not_found` when there is no such attachment
   */
  deleteAttachment?(id: string, call?: CallOptions): Promise<void>
}
