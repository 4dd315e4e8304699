// Admin endpoints for anyone's threads: list, read, read items, delete.

import type { Handler } from 'hono'
import { z } from 'zod'
import type { Administer } from '../../administer/administer.ts'
import { MAX_USER_CHARACTERS, text } from '../../chatkit/wire/wire.ts'
import { ServiceError } from '../../lib/errors.ts'
import { adminRequest } from '../authentication.ts'
import type { AppContext, AppEnv } from '../context.ts'
import { pathId, query, refuseQuery, validQuery } from '../query.ts'
import { itemListQuery, threadListParameters } from '../routes/threads.ts'
import { callOptions } from '../upstream-call-options.ts'

/** Query of `GET /v1/admin/threads`. */
export const anyThreadsQuery = z.strictObject({
  ...threadListParameters,
  user: text(MAX_USER_CHARACTERS).optional(),
})

/** `GET /v1/admin/threads` */
export function listAnyThreads({
  administer,
  workflows,
}: {
  readonly administer: Pick<Administer, 'listThreads'>
  /** All workflows that the query may name. */
  readonly workflows: readonly { readonly name: string }[]
}): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const asked = validQuery(c, anyThreadsQuery)
    const { workflow } = asked
    if (workflow !== undefined && !workflows.some(({ name }) => name === workflow)) {
      throw unknownWorkflow()
    }
    return c.json(await administer.listThreads(threadRequest(c), asked))
  }
  return [query(anyThreadsQuery), list]
}

/** `GET /v1/admin/threads/{id}` */
export function readAnyThread(administer: Pick<Administer, 'findThread'>): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    const { thread } = await administer.findThread(threadRequest(c), pathId(c))
    return c.json(thread)
  }
}

/** `GET /v1/admin/threads/{id}/items` */
export function listAnyItems(administer: Pick<Administer, 'readItems'>): Handler<AppEnv>[] {
  const list = async (c: AppContext) => {
    const asked = { id: pathId(c), query: validQuery(c, itemListQuery) }
    const { items } = await administer.readItems(threadRequest(c), asked)
    return c.json(items)
  }
  return [query(itemListQuery), list]
}

/** `DELETE /v1/admin/threads/{id}` */
export function deleteAnyThread(administer: Pick<Administer, 'deleteThread'>): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    return c.json(await administer.deleteThread(threadRequest(c), pathId(c)))
  }
}

function threadRequest(c: AppContext) {
  return adminRequest(c, callOptions(c))
}

function unknownWorkflow(): ServiceError {
  return new ServiceError('invalid_request', {
    reason: 'a workflow that is not in the config',
    detail: 'The query parameter "workflow" is of no workflow of the config.',
  })
}
