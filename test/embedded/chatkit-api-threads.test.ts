import OpenAI from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import { startChatKitApi } from '../../src/embedded/chatkit-api/server.ts'
import { officialClient } from '../support/chatkit/sdk.ts'
import { BARE_ITEMS, FULL_ITEMS, fullThread } from '../support/chatkit/seeds.ts'
import { forEachTest } from '../support/started.ts'

const NOW = 1_760_000_000
let seconds: number
let chatkit: OpenAI['beta']['chatkit']
const running = forEachTest(() => startChatKitApi({ port: 0, now: () => seconds * 1000 }))
beforeEach(() => {
  seconds = NOW
  chatkit = officialClient(running.url).beta.chatkit
})

/** Everything of an async sequence. */
async function collect<T>(sequence: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const one of sequence) all.push(one)
  return all
}

describe('threads, by the official client', () => {
  it('retrieves one in each status', async () => {
    const statuses = [
      [undefined, { type: 'active' }],
      ['active', { type: 'active' }],
      ['locked', { type: 'locked', reason: null }],
      [
        { type: 'locked', reason: 'abuse' },
        { type: 'locked', reason: 'abuse' },
      ],
      [{ type: 'closed' }, { type: 'closed', reason: null }],
    ] as const
    for (const [status, expected] of statuses) {
      const seeded = running.api.seedThread(status ? { user: 'alice', status } : { user: 'alice' })
      expect(await chatkit.threads.retrieve(seeded.id)).toEqual({
        id: expect.stringMatching(/^cthr_/),
        object: 'chatkit.thread',
        created_at: NOW,
        status: expected,
        title: null,
        user: 'alice',
      })
    }
  })

  it('deletes one with its items, and only that one', async () => {
    const other = running.api.seedThread({ user: 'alice' })
    const { id } = running.api.seedThread(fullThread('alice'))
    expect(await chatkit.threads.delete(id)).toEqual({
      id,
      object: 'chatkit.thread.deleted',
      deleted: true,
    })
    await expect(chatkit.threads.retrieve(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    await expect(chatkit.threads.delete(id)).rejects.toBeInstanceOf(OpenAI.NotFoundError)
    await expect(collect(chatkit.threads.listItems(id))).rejects.toBeInstanceOf(
      OpenAI.NotFoundError,
    )
    expect(await collect(chatkit.threads.list())).toEqual([other])
  })

  it('lists items of all six kinds, in both orders, page by page', async () => {
    const { id } = running.api.seedThread(fullThread('alice'))
    const expected = FULL_ITEMS.map((item) => ({
      ...item,
      id: expect.stringMatching(/^cthi_/),
      object: 'chatkit.thread_item',
      created_at: NOW,
      thread_id: id,
    }))
    expect(await collect(chatkit.threads.listItems(id, { order: 'asc' }))).toEqual(expected)
    const newestFirst = await collect(chatkit.threads.listItems(id, { limit: 2 }))
    expect(newestFirst).toEqual(expected.toReversed())
  })

  it('fills up items that were seeded with no more than their type', async () => {
    const items = BARE_ITEMS.map(([type]) => ({ type })) as Parameters<
      typeof running.api.seedThread
    >[0]['items']
    const { id } = running.api.seedThread({ user: 'alice', ...(items && { items }) })
    const listed = await collect(chatkit.threads.listItems(id, { order: 'asc' }))
    expect(listed).toEqual(
      BARE_ITEMS.map(([type, filled]) => ({
        type,
        id: expect.stringMatching(/^cthi_/),
        object: 'chatkit.thread_item',
        created_at: NOW,
        thread_id: id,
        ...(type === 'chatkit.client_tool_call' && { call_id: expect.stringMatching(/^call_/) }),
        ...filled,
      })),
    )
  })
})
