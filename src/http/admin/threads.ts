// Admin endpoints for anyone's threads: list, read, read items, delete.

import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { text } from '../../chatkit/wire/wire.ts'
import { ServiceError } from '../../lib/errors.ts'
import { MAX_USER_CHARACTERS, parseThreadId } from '../../lib/ids.ts'
import { adminRequest } from '../authentication.ts'
import type { AppContext } from '../context.ts'
import { pathId, refuseQuery, validQuery } from '../query.ts'
import { type HandlersOf, UPSTREAM } from '../route-definition.ts'
import { itemListQuery, threadListParameters, threadRoutes } from '../routes/threads.ts'
import { readOptions } from '../upstream-call-options.ts'

const anyThreadsQuery = z.strictObject({
  ...threadListParameters,
  user: text(MAX_USER_CHARACTERS).optional().describe('Threads of this ChatKit user.'),
})

const any = threadRoutes({
  path: '/v1/admin/threads',
  checks: ['admin'],
  tag: 'admin',
  query: anyThreadsQuery,
  note: "Any user's. The audit records what admins read and delete.",
  problems: UPSTREAM,
})

export const ANY_THREAD_ROUTES = {
  listAnyThreads: {
    ...any.list,
    description:
      `${any.list.description} Without \`user\`, a page holds fewer than \`limit\`, even none, where a server has ` +
      'lost many threads, with `has_more` and a `last_id` to go on from.',
  },
  readAnyThread: any.read,
  deleteAnyThread: any.remove,
  listAnyItems: any.items,
}

/** Handlers of {@link ANY_THREAD_ROUTES}. */
export function anyThreads({
  administer,
  workflows,
}: {
  readonly administer: Pick<Administer, 'listThreads' | 'findThread' | 'readItems' | 'deleteThread'>
  /** All workflows that the query may name. */
  readonly workflows: readonly { readonly name: string }[]
}): HandlersOf<typeof ANY_THREAD_ROUTES> {
  return {
    async listAnyThreads(c) {
      const asked = validQuery(c, anyThreadsQuery)
      const { workflow } = asked
      if (workflow !== undefined && !workflows.some(({ name }) => name === workflow)) {
        throw unknownWorkflow()
      }
      return c.json(await administer.listThreads(threadRequest(c), asked))
    },
    async readAnyThread(c) {
      refuseQuery(c)
      const { thread } = await administer.findThread(threadRequest(c), pathId(c, parseThreadId))
      return c.json(thread)
    },
    async deleteAnyThread(c) {
      refuseQuery(c)
      return c.json(await administer.deleteThread(threadRequest(c), pathId(c, parseThreadId)))
    },
    async listAnyItems(c) {
      const asked = { id: pathId(c, parseThreadId), query: validQuery(c, itemListQuery) }
      const { items } = await administer.readItems(threadRequest(c), asked)
      return c.json(items)
    },
  }
}

function threadRequest(c: AppContext) {
  return adminRequest(c, readOptions(c))
}

function unknownWorkflow(): ServiceError {
  return new ServiceError('invalid_request', {
    reason: 'a workflow that is not in the config',
    detail: 'The query parameter "workflow" is of no workflow of the config.',
  })
}
