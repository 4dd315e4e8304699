// The thread operations of the ChatKit API for backends, over all workflows that a key may use.

import { createAdministerThreads } from '../../administer/threads.ts'
import { type CallOptions, LANE_SLOTS } from '../../chatkit/port.ts'
import { DEFAULT_LIMIT, type ListQuery } from '../../chatkit/wire/wire.ts'
import type { ApiKeySettings, Settings } from '../../config/settings.ts'
import { isCode, ServiceError } from '../../lib/errors.ts'
import { parseThreadId, type ThreadId } from '../../lib/ids.ts'
import { actorOfKey } from '../../map/map-backend.ts'
import type { Audit } from '../../registry/audit.ts'
import { ForwardOnlyError } from '../../threads/merged-list.ts'
import type { Threads } from '../../threads/threads.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { readOptions } from '../upstream-call-options.ts'
import { ApiError } from './api-error.ts'
import type { Operations } from './operations.ts'
import { refusal } from './parameters.ts'

/** Thread calls of one key under way: half the lane is left to everybody else. */
const MOST_THREAD_CALLS = LANE_SLOTS / 2

/** @param parts - `threadsFor`: the threads of all workflows that a key may use */
export function createThreadCalls({
  apiKeys,
  threadsFor,
  audit,
}: {
  readonly apiKeys: Settings['apiKeys']
  readonly threadsFor: (key: ApiKeySettings) => Threads
  readonly audit: Pick<Audit, 'write'>
}): Pick<Operations<AppEnv>, 'listThreads' | 'retrieveThread' | 'deleteThread' | 'listItems'> {
  const threadsOf = new Map(apiKeys.map((key) => [key.id, threadsFor(key)]))
  const underWay = new Map<string, number>()

  async function run<T>(
    c: AppContext,
    work: (threads: Threads, call: CallOptions) => Promise<T>,
  ): Promise<T> {
    const { id } = c.var.apiKey
    const threads = threadsOf.get(id)
    if (threads === undefined) throw new TypeError(`no threads for the key ${id}`)
    const before = underWay.get(id) ?? 0
    if (before >= MOST_THREAD_CALLS) {
      throw new ServiceError('rate_limited', {
        reason: `${before} thread calls of one key under way`,
        retryAfterSeconds: 1,
      })
    }
    underWay.set(id, before + 1)
    try {
      return await work(threads, readOptions(c))
    } finally {
      underWay.set(id, (underWay.get(id) ?? 1) - 1)
    }
  }

  /** A call about one thread; `not_found` in the API's words. */
  async function ofThread<T>(
    c: AppContext,
    text: string,
    work: (id: ThreadId, threads: Threads, call: CallOptions) => Promise<T>,
  ): Promise<T> {
    const id = parseThreadId(text)
    if (id === undefined)
      throw refusal("Invalid 'thread_id': not an id.", 'thread_id', 'invalid_value')
    try {
      return await run(c, (threads, call) => work(id, threads, call))
    } catch (error) {
      throw isCode(error, 'not_found')
        ? new ApiError(404, `No thread found with id '${id}'.`)
        : error
    }
  }

  return {
    listThreads: (c, { limit = DEFAULT_LIMIT, order = 'desc', ...query }) =>
      run(c, (threads, call) =>
        threads.list({ ...query, limit, order }, call).catch(cursorRefused(query)),
      ),
    retrieveThread: (c, id) =>
      ofThread(c, id, async (thread, threads, call) => (await threads.find(thread, call)).thread),
    deleteThread: (c, id) =>
      ofThread(c, id, (thread, threads, call) => {
        const { apiKey, requestId } = c.var
        const { deleteThread } = createAdministerThreads({ threads, audit })
        return deleteThread({ actor: actorOfKey(apiKey), requestId, call }, thread)
      }),
    listItems: (c, id, query) =>
      ofThread(c, id, async (thread, threads, call) =>
        threads
          .listItems(await threads.find(thread, call), query, call)
          .catch(cursorRefused(query)),
      ),
  }
}

/** Names the cursor that a list refuses, as the API does. If there are two, the upstream may say which. */
function cursorRefused({ after, before }: Pick<ListQuery, 'after' | 'before'>) {
  return (error: unknown): never => {
    if (!isCode(error, 'invalid_request') || (after ?? before) === undefined) throw error
    if (error instanceof ForwardOnlyError) {
      const message =
        "Invalid 'before': a list over several workflows pages forward only, by 'after'."
      throw refusal(message, 'before', 'invalid_value')
    }
    const isBefore = after === undefined || refusedParam(error) === 'before'
    const [param, id] = isBefore ? (['before', before] as const) : (['after', after] as const)
    throw refusal(`No item found with id '${id}'.`, param, 'invalid_value')
  }
}

function refusedParam(error: unknown): string | undefined {
  const cause = error instanceof ServiceError ? error.cause : undefined
  return cause instanceof ServiceError ? cause.refused?.param : undefined
}
