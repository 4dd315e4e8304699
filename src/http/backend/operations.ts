// The handlers of the six operations: they read the parameters, and leave the work to whoever carries it out:
// this service for backends, or the memory of the embedded ChatKit API.

import type { Context, Env, Handler } from 'hono'
import {
  type ChatSession,
  type CreateSessionParams,
  createSessionParams,
} from '../../chatkit/wire/session.ts'
import type {
  Thread,
  ThreadDeleted,
  ThreadItemPage,
  ThreadPage,
} from '../../chatkit/wire/thread.ts'
import {
  type ListQuery,
  listQuery,
  type ThreadListQuery,
  threadListQuery,
} from '../../chatkit/wire/wire.ts'
import { withoutNulls } from '../body.ts'
import { parseJson, parseOrRefuse, queryOf, requireJsonType } from './parameters.ts'
import type { BACKEND_ROUTES } from './routes.ts'

type MaybePromise<T> = T | Promise<T>

/** Carries out the operations. Each throws an `ApiError` or a `ServiceError`; ids are as they stand in the path. */
export interface Operations<E extends Env> {
  /** The body of a create, within its bounds. */
  readBody(c: Context<E>): Promise<string | Uint8Array>
  createSession(c: Context<E>, params: CreateSessionParams): MaybePromise<ChatSession>
  cancelSession(c: Context<E>, id: string): MaybePromise<ChatSession>
  listThreads(c: Context<E>, query: ThreadListQuery): MaybePromise<ThreadPage>
  retrieveThread(c: Context<E>, id: string): MaybePromise<Thread>
  deleteThread(c: Context<E>, id: string): MaybePromise<ThreadDeleted>
  listItems(c: Context<E>, id: string, query: ListQuery): MaybePromise<ThreadItemPage>
}

/** By operation id. */
export function operationHandlers<E extends Env>(
  operations: Operations<E>,
): Readonly<Record<keyof typeof BACKEND_ROUTES, Handler<E>>> {
  const threadId = (c: Context<E>) => c.req.param('thread_id') ?? ''
  return {
    async createChatKitSession(c) {
      requireJsonType(c)
      const body = parseJson(await operations.readBody(c))
      const params = parseOrRefuse(createSessionParams, withoutNulls(body, createSessionParams))
      return c.json(await operations.createSession(c, params))
    },
    cancelChatKitSession: async (c) =>
      c.json(await operations.cancelSession(c, c.req.param('session_id') ?? '')),
    listChatKitThreads: async (c) =>
      c.json(await operations.listThreads(c, queryOf(c, threadListQuery))),
    retrieveChatKitThread: async (c) => c.json(await operations.retrieveThread(c, threadId(c))),
    deleteChatKitThread: async (c) => c.json(await operations.deleteThread(c, threadId(c))),
    async listChatKitThreadItems(c) {
      const query = queryOf(c, listQuery)
      return c.json(await operations.listItems(c, threadId(c), query))
    },
  }
}
