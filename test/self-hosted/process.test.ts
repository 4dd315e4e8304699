import { beforeAll, expect, test } from 'vitest'
import { startChatKitServer } from '../../src/embedded/chatkit-server/server.ts'
import { asAt, createThread } from '../gateway/scene.ts'
import { eventsOf, input, type Json, textOf } from '../support/chatkit/server-client.ts'
import { forAllTests } from '../support/started.ts'
import { expectCancelEnds, startInstance } from './instance.ts'

// The service as a process, in front of a server that does not check its caller.

let alice: ReturnType<typeof asAt>
let bob: ReturnType<typeof asAt>
const sample = forAllTests(() => startChatKitServer({ port: 0, wordMs: 5 }))
const instance = forAllTests(() => startInstance(sample.url))
beforeAll(async () => {
  const askerFor = async (user: string) => {
    return asAt(instance.gateway, { secret: await instance.mint(user) })
  }
  alice = await askerFor('alice')
  bob = await askerFor('bob')
})

test('a user can write to, rename, read, list and delete a thread, and the list of another user never has it', async () => {
  const { id: thread_id, events } = await createThread(alice, 'remember the milk')
  expect(textOf(events)).toContain('remember the milk')
  const more = await alice(['threads.add_user_message', { thread_id, input: input('and bread') }])
  expect(textOf(await eventsOf(more))).toContain('and bread')
  await alice(['threads.update', { thread_id, title: 'Shopping' }])
  const thread = await alice(['threads.get_by_id', { thread_id }])
  expect(await thread.json()).toMatchObject({ id: thread_id, title: 'Shopping' })
  const items = (await (await alice(['items.list', { thread_id }])).json()) as { data: Json[] }
  expect(items.data).toHaveLength(4)
  const idsOf = async (asker: typeof alice) => {
    const page = (await (await asker(['threads.list', { limit: 100 }])).json()) as { data: Json[] }
    return page.data.map(({ id }) => id)
  }
  const [hers, his] = [await idsOf(alice), await idsOf(bob)]
  expect(hers).toContain(thread_id)
  expect(hers.filter((id) => his.includes(id))).toEqual([])
  await alice(['threads.delete', { thread_id }])
  expect(await idsOf(alice)).not.toContain(thread_id)
  expect((await alice(['threads.get_by_id', { thread_id }])).status).toBe(404)
})

// One after the other: the second begins just after the store was asked, so it waits the longest.
test.each([1, 2, 3])(
  'a cancel ends the running stream within a second, at the server too (%i)',
  () => expectCancelEnds({ here: instance, there: instance, server: sample.server }),
)

test('the log holds neither a client secret nor a message', async () => {
  const secret = await instance.mint('dave')
  const dave = asAt(instance.gateway, { secret })
  await createThread(dave, 'planted-words')
  const said = instance.process.stdout() + instance.process.stderr()
  expect(said).not.toContain(secret.split('.')[2])
  expect(said).not.toContain('planted-words')
})
