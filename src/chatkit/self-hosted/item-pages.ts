// Reads pages of a thread's items at a self-hosted server. Callers name the item before a page; a server may want a
// cursor of its own instead, which it gave with the page that ends at this item.

import type { z } from 'zod'
import { isCode, ServiceError } from '../../lib/errors.ts'
import type { ThreadId } from '../../lib/ids.ts'
import { serverFault } from '../protocol/server-fault.ts'
import { serverItemPage } from '../protocol/thread.ts'
import { MAX_LIMIT } from '../wire/pages.ts'
import type { Ask } from './ask.ts'

type ItemPage = Pick<z.infer<typeof serverItemPage>, 'data' | 'has_more'>

interface ItemPart {
  readonly limit: number
  readonly order: 'asc' | 'desc'
  /** Id of the item before the page; undefined for the first page. */
  readonly after: string | undefined
}

/** Most pages that are read to find an item, or one that is shown: 2,000 items of a server that gives pages of 100. */
const MAX_PAGES = 20

const NOTHING_SHOWN = `${MAX_PAGES} pages of items in a row were empty, although more follow`

/** Failures that may be about the cursor: servers answer 400, 422 or 500 to one that they cannot read. */
const REFUSALS = ['invalid_request', 'upstream_rejected', 'upstream_unavailable'] as const

/** @param user - owner of the thread, in whose name the server is asked */
export function createItemPages(ask: Ask, user: string, id: ThreadId) {
  /** The server's cursor behind an item that was the last one of a page. */
  const cursors = new Map<string, string>()

  async function readOne({ limit, order, after }: ItemPart) {
    const hasCursor = after !== undefined
    const params = { thread_id: id, limit, order, ...(hasCursor && { after }) }
    const page = await ask(user, { type: 'items.list', params, hasCursor }, serverItemPage)
    if (page.data.some(({ thread_id }) => thread_id !== '' && thread_id !== id)) {
      throw serverFault('upstream_invalid_response', 'items of another thread than was asked for')
    }
    const last = page.data.at(-1)
    if (last !== undefined && page.after) cursors.set(last.id, page.after)
    return page
  }

  /**
   * Servers leave hidden items out after they have cut a page, so one may be empty although items follow. Those are read
   * by the server's own cursor.
   */
  async function read(part: ItemPart): Promise<ItemPage> {
    let { limit, after } = part
    for (let pages = 1; ; pages++) {
      const page = await readOne({ ...part, limit, after })
      const next = page.data.length === 0 && page.has_more ? page.after : undefined
      if (!next || next === after) return page
      // An empty page would be taken for the end of the list.
      if (pages === MAX_PAGES) throw serverFault('upstream_invalid_response', NOTHING_SHOWN)
      limit = Math.min(limit * 2, MAX_LIMIT)
      after = next
    }
  }

  /** Reads from the start until a page has the item; returns what follows it. */
  async function readBehind(item: string, order: ItemPart['order'], refusal: unknown) {
    let after: string | undefined
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const { data, has_more } = await read({ limit: MAX_LIMIT, order, after })
      const at = data.findIndex(({ id }) => id === item)
      after = cursors.get(data.at(-1)?.id ?? '')
      const isFound = at !== -1
      if (isFound && !(has_more && at === data.length - 1))
        return { data: data.slice(at + 1), has_more }
      if (!has_more) {
        const reason = 'the cursor names no item of this thread'
        throw new ServiceError('invalid_request', { reason, cause: refusal })
      }
      // An empty page would be taken for the end of the list.
      if (after === undefined) throw refusal
      if (isFound) return read({ limit: MAX_LIMIT, order, after })
    }
    throw refusal
  }

  /** @throws `invalid_request` when the server has no such item; further failures of the server */
  return async function readItems({ limit, order, after }: ItemPart): Promise<ItemPage> {
    const cursor = after === undefined ? undefined : (cursors.get(after) ?? after)
    try {
      const page = await read({ limit, order, after: cursor })
      // A server that knows no pages gives all items again, those before the cursor too.
      const data = page.data.slice(page.data.findIndex((item) => item.id === after) + 1)
      // Where more is said to follow and nothing does, the page stays whole: the caller refuses a list that does not move.
      return data.length === 0 && page.has_more ? page : { ...page, data }
    } catch (error) {
      if (after === undefined || cursor !== after || !isCode(error, ...REFUSALS)) throw error
      return readBehind(after, order, error)
    }
  }
}
