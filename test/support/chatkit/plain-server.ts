import { json } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { serve } from '../network/listen.ts'

interface Params {
  readonly thread_id?: string
  readonly limit?: number
  readonly after?: string | null
  readonly order?: 'asc' | 'desc'
}

interface Received {
  readonly type: string
  readonly user: string
  readonly params: Params
  readonly metadata: unknown
}

/** A ChatKit server for the running test that has threads, and no messages. */
export async function startPlainServer() {
  const server = {
    url: '',
    /** Id and user, oldest first. */
    threads: [] as (readonly [id: string, user: string])[],
    /** Ids that it lists no longer, and answers with `lostStatus`. */
    lost: new Set<string>(),
    lostStatus: 500,
    /** Ids of threads whose time of creation is none. */
    unreadable: new Set<string>(),
    /** Whether a list has one user's threads (`own-of-page`: left over from a page of everyone's), everyone's, none, or fails. */
    lists: 'own' as 'own' | 'own-of-page' | 'everyone' | 'nothing' | 'error',
    /** Instead, for users who have no threads. */
    listsForNobody: undefined as 'everyone' | 'error' | undefined,
    /** What it writes as the entries of an empty list. */
    nothing: [] as [] | object | null | undefined,
    /** Cursors that are no ids. */
    opaque: false,
    unknownCursor: 'refuses' as 'refuses' | 'fails' | 'ignores',
    requests: [] as Received[],
  }
  const { origin, close } = await serve(async (request, response) => {
    const { type, params, metadata } = (await json(request)) as Omit<Received, 'user'>
    const user = decodeURIComponent(String(request.headers['x-chatkit-user']))
    server.requests.push({ type, user, params, metadata })
    const [status, body] = type === 'threads.list' ? list(user, params) : one(type, params)
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
  function list(user: string, { limit = 20, after, order = 'desc' }: Params): [number, object] {
    const isNobody = server.threads.every(([, owner]) => owner !== user)
    const lists = (isNobody ? server.listsForNobody : undefined) ?? server.lists
    if (lists === 'error') return [500, {}]
    const all = server.threads.filter(
      ([id, owner]) =>
        !server.lost.has(id) &&
        (/everyone|of-page/.test(lists) || (lists === 'own' && owner === user)),
    )
    const sorted = order === 'desc' ? all.toReversed() : all
    const cursorOf = (id: string) => (server.opaque ? `page:${id}` : id)
    const start = after ? sorted.findIndex(([id]) => cursorOf(id) === after) + 1 : 0
    if (after && start === 0 && server.unknownCursor !== 'ignores') {
      return [server.unknownCursor === 'refuses' ? 400 : 500, {}]
    }
    const page = sorted.slice(start, start + limit)
    const last = page.at(-1)
    const more = start + limit < sorted.length
    const cursor = more && last !== undefined ? cursorOf(last[0]) : null
    const left = page.filter(([, owner]) => lists !== 'own-of-page' || owner === user)
    const data = left.length === 0 ? server.nothing : left.map(([id]) => shown(id))
    return [200, { data, has_more: more, after: cursor }]
  }
  function one(type: string, { thread_id = '' }: Params): [number, object] {
    const found = server.threads.some(([id]) => id === thread_id)
    if (!found || server.lost.has(thread_id)) return [server.lostStatus, {}]
    if (type === 'threads.delete') server.lost.add(thread_id)
    return [200, shown(thread_id)]
  }
  function shown(id: string): object {
    return { ...threadOf(id), ...(server.unreadable.has(id) && { created_at: 'yesterday' }) }
  }
  onTestFinished(close)
  server.url = `${origin}/chatkit`
  return server
}

function threadOf(id: string): object {
  return { id, created_at: 1_800_000_000, title: id, items: { data: [], has_more: false } }
}
