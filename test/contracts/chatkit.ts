import { describe, expect, test } from 'vitest'
import type { ChatKit, ChatKitOperation, UpstreamCall } from '../../src/chatkit/port.ts'
import type { CreateSessionParams } from '../../src/chatkit/wire/session.ts'
import type { PlainPort } from '../support/ids.ts'
import { forEachTest } from '../support/started.ts'

/** An adapter and its upstream, which works and is empty at first. */
export interface ContractChatKit {
  readonly chatkit: PlainPort<ChatKit>
  /** Parameters of a create that this upstream accepts. */
  params(user: string): CreateSessionParams
  /** Creates a thread at the upstream; the last one created is the newest. */
  seedThread(thread: SeededThread): Promise<{ readonly id: string }>
  close(): Promise<void>
}

/** A thread with one assistant message for each text, oldest first. */
export interface SeededThread {
  readonly user: string
  readonly title?: string
  readonly texts?: readonly string[]
}

/**
 * Tests every guarantee of chatkit/port.ts that does not depend on the upstream, on one adapter.
 *
 * @param name - of the adapter
 * @param make - an adapter and its upstream, for each test anew
 * @param sessions - who keeps them: `upstream`; or `nobody`, when the adapter makes them itself: then no
 * upstream is called, no call is observed, and a cancel always gives null
 */
export function chatkitContract(
  name: string,
  make: () => Promise<ContractChatKit>,
  sessions: SessionKeeper = 'upstream',
): void {
  describe(`${name} as a ChatKit API`, () => {
    const upstream = forEachTest(() => make())
    const suite = () => upstream

    describe('sessions', () => sessionSuite(suite, sessions))
    describe('threads', () => threadSuite(suite))
    describe('items', () => itemSuite(suite))
    describe('every call', () => callSuite(suite, sessions))
  })
}

type Suite = () => ContractChatKit
type SessionKeeper = 'upstream' | 'nobody'

function sessionSuite(upstream: Suite, keeper: SessionKeeper): void {
  const create = (user: string, more: Partial<CreateSessionParams> = {}) =>
    upstream().chatkit.createSession({ ...upstream().params(user), ...more })

  const cancelled = (id: string) =>
    keeper === 'nobody' ? null : expect.objectContaining({ id, status: 'cancelled' })

  test('a created session is active, for the user asked for, with a secret of its own', async () => {
    const first = await create('alice')
    const second = await create('alice')
    expect(first).toMatchObject({ status: 'active', user: 'alice' })
    expect(first.id).toMatch(/^[A-Za-z0-9_-]{1,128}$/)
    expect(second.id).not.toBe(first.id)
    expect(second.client_secret.reveal()).not.toBe(first.client_secret.reveal())
    expect(first.client_secret.reveal().length).toBeGreaterThan(16)
    expect(JSON.stringify(first)).not.toContain(first.client_secret.reveal())
  })

  test.each(['a|b', 'https://login.example/|ü', '🦊'.repeat(300), 'x'.repeat(512), '"quoted"\\'])(
    'the user is kept as it is: %j',
    async (user) => expect((await create(user)).user).toBe(user),
  )

  test('it lives as long as it was asked to, 600 s at most', async () => {
    const before = Math.floor(Date.now() / 1000)
    const short = await create('alice', { expires_after: { anchor: 'created_at', seconds: 60 } })
    const usual = await create('alice')
    const after = Math.ceil(Date.now() / 1000)
    expect(short.expires_at).toBeGreaterThanOrEqual(before + 60)
    expect(short.expires_at).toBeLessThanOrEqual(after + 60)
    expect(usual.expires_at).toBeLessThanOrEqual(after + 600)
  })

  test('a cancelled session is not active any more, however often it is cancelled', async () => {
    const { id } = await create('alice')
    for (let time = 0; time < 3; time++) {
      expect(await upstream().chatkit.cancelSession(id)).toEqual(cancelled(id))
    }
  })

  test('a cancel ends one session, and no other', async () => {
    const [first, second] = [await create('alice'), await create('alice')]
    await upstream().chatkit.cancelSession(first.id)
    expect(await upstream().chatkit.cancelSession(second.id)).toEqual(cancelled(second.id))
  })

  test('cancelling an unknown session gives null', async () => {
    expect(await upstream().chatkit.cancelSession('cksess_unknown')).toBeNull()
  })
}

function threadSuite(upstream: Suite): void {
  const list = (query: Parameters<ChatKit['listThreads']>[0]) =>
    upstream().chatkit.listThreads(query)
  const ids = async (query: Parameters<ChatKit['listThreads']>[0]) =>
    (await list(query)).data.map(({ id }) => id)
  async function seed(count: number, user = 'alice'): Promise<string[]> {
    const made: string[] = []
    for (let number = 0; number < count; number++) {
      made.push((await upstream().seedThread({ user, title: `${user} ${number}` })).id)
    }
    return made
  }

  test('a list is newest first, unless asked otherwise', async () => {
    const made = await seed(3)
    expect(await ids({ user: 'alice' })).toEqual(made.toReversed())
    expect(await ids({ user: 'alice', order: 'desc' })).toEqual(made.toReversed())
    expect(await ids({ user: 'alice', order: 'asc' })).toEqual(made)
  })

  test("a list for a user has that user's threads alone", async () => {
    const [mine] = await seed(1)
    await seed(1, 'Alice')
    await seed(1, 'alice2')
    const page = await list({ user: 'alice' })
    expect(page).toMatchObject({ object: 'list', first_id: mine, last_id: mine, has_more: false })
    expect(page.data).toMatchObject([{ id: mine, user: 'alice', title: 'alice 0' }])
    expect(await list({ user: 'nobody' })).toMatchObject({
      data: [],
      first_id: null,
      last_id: null,
      has_more: false,
    })
  })

  test('a list without a user has everyone’s threads', async () => {
    const made = [...(await seed(1)), ...(await seed(1, 'bob'))]
    expect((await ids({})).toSorted()).toEqual(made.toSorted())
  })

  test('after continues a list in its own order, to its end', async () => {
    const made = await seed(5)
    for (const order of ['asc', 'desc'] as const) {
      const walked: string[] = []
      let page = await list({ user: 'alice', order, limit: 2 })
      while (page.has_more) {
        walked.push(...page.data.map(({ id }) => id))
        page = await list({ user: 'alice', order, limit: 2, after: page.last_id ?? '' })
      }
      walked.push(...page.data.map(({ id }) => id))
      expect(walked).toEqual(order === 'asc' ? made : made.toReversed())
    }
  })

  test('`before` goes back from a cursor', async () => {
    const [a, b, c, d] = await seed(4)
    expect(await ids({ user: 'alice', order: 'asc', before: d ?? '', limit: 2 })).toEqual([b, c])
    expect(await ids({ user: 'alice', order: 'asc', before: b ?? '' })).toEqual([a])
  })

  test('one thread is read by its id, whoever owns it', async () => {
    const [id = ''] = await seed(1, 'bob')
    expect(await upstream().chatkit.retrieveThread(id)).toMatchObject({
      id,
      object: 'chatkit.thread',
      user: 'bob',
      title: 'bob 0',
      status: { type: 'active' },
    })
  })

  test('a deleted thread is gone, and no other', async () => {
    const [first = '', second = ''] = await seed(2)
    expect(await upstream().chatkit.deleteThread(first)).toMatchObject({
      id: first,
      object: 'chatkit.thread.deleted',
      deleted: true,
    })
    expect(await ids({ user: 'alice' })).toEqual([second])
    const { chatkit } = upstream()
    const gone = { code: 'not_found' }
    await expect(chatkit.retrieveThread(first)).rejects.toMatchObject(gone)
    await expect(chatkit.listThreadItems(first, {})).rejects.toMatchObject(gone)
    await expect(chatkit.deleteThread(first)).rejects.toMatchObject(gone)
  })

  test('an unknown cursor is the client’s fault', async () => {
    await seed(1)
    const refused = { code: 'invalid_request' }
    await expect(list({ user: 'alice', after: 'cthr_unknown' })).rejects.toMatchObject(refused)
  })
}

function itemSuite(upstream: Suite): void {
  test('are those of the thread, newest first, in pages', async () => {
    const texts = ['one', 'two', 'three']
    const { id } = await upstream().seedThread({ user: 'alice', texts })
    await upstream().seedThread({ user: 'alice', texts: ['another thread'] })
    const page = await upstream().chatkit.listThreadItems(id, {})
    expect(page).toMatchObject({ object: 'list', has_more: false })
    expect(page.data).toMatchObject(
      texts
        .toReversed()
        .map((text) => ({
          thread_id: id,
          type: 'chatkit.assistant_message',
          content: [{ type: 'output_text', text }],
        })),
    )
    const first = await upstream().chatkit.listThreadItems(id, { order: 'asc', limit: 2 })
    const rest = await upstream().chatkit.listThreadItems(id, {
      order: 'asc',
      after: first.last_id ?? '',
    })
    expect([first.has_more, rest.has_more]).toEqual([true, false])
    expect([...first.data, ...rest.data]).toEqual(page.data.toReversed())
  })
}

function callSuite(upstream: Suite, keeper: SessionKeeper): void {
  const operations: readonly [ChatKitOperation, (call: Call) => Promise<unknown>][] = [
    ['create_session', (call) => upstream().chatkit.createSession(upstream().params('a'), call)],
    ['cancel_session', (call) => upstream().chatkit.cancelSession('cksess_1', call)],
    ['list_threads', (call) => upstream().chatkit.listThreads({}, call)],
    ['retrieve_thread', (call) => upstream().chatkit.retrieveThread('cthr_1', call)],
    ['delete_thread', (call) => upstream().chatkit.deleteThread('cthr_1', call)],
    ['list_thread_items', (call) => upstream().chatkit.listThreadItems('cthr_1', {}, call)],
  ]
  type Call = { readonly observe?: (call: UpstreamCall) => void; readonly signal?: AbortSignal }

  test.each(operations)('%s reports its outcome once', async (operation, run) => {
    const seen: UpstreamCall[] = []
    await run({ observe: (call) => seen.push(call) }).catch(() => undefined)
    const told = expect.objectContaining({ operation, milliseconds: expect.any(Number) })
    const asksNobody = keeper === 'nobody' && operation.endsWith('_session')
    expect(seen).toEqual(asksNobody ? [] : [told])
  })

  test.each(operations)(
    '%s of a caller who has left rejects with the reason',
    async (_name, run) => {
      const reason = new Error('the caller has left')
      await expect(run({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    },
  )
}
