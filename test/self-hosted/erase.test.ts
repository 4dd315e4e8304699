import { expect, test } from 'vitest'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { ownership } from '../contracts/registry-fixtures.ts'
import { asAt, createThread } from '../gateway/scene.ts'
import { ADMINS, revoke, secretOf } from '../support/admin-calls.ts'
import { createAttachment } from '../support/chatkit/gateway-requests.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { input } from '../support/chatkit/server-client.ts'
import { startService } from '../support/running-service.ts'
import { forEachTest } from '../support/started.ts'
import { countsOf, eraseOf, exportOf, summaryOf } from '../support/user-data.ts'

// Export and erase of threads at a self-hosted server, beside hosted ones.

const server = forEachTest(() => startSampleServer({ wordMs: 1 }))
const registry = forEachTest(() => createSqliteRegistry({ path: ':memory:' }))
const running = forEachTest(() => {
  const config = selfHostedConfig({ server: server.url, more: ADMINS })
  return startService({ config, env: { PUBLIC_URL }, registry })
})

async function askerFor(user: string) {
  const secret = await secretOf(running, user)
  return asAt(`${running.url}/chatkit/helpdesk`, { secret })
}

const ownedBy = async (user: string, kind: 'thread' | 'attachment') => {
  const page = await registry.listOwned({ kind, user, limit: 100, order: 'asc' })
  return page?.data.map(({ id }) => id)
}

const askedOf = (type: string) => server.server.requests().filter((one) => one.type === type)

test('an export has hosted and self-hosted threads, and only the user’s', async () => {
  const [alice, bob] = [await askerFor('alice'), await askerFor('bob')]
  const { id } = await createThread(alice, 'remember the milk')
  await createThread(bob, 'a secret of bob')
  const hosted = running.upstream.seedThread({ user: 'alice', items: [{ type: 'chatkit.widget' }] })
  const lines = await exportOf(running, 'alice')
  const threads = lines.filter(({ type }) => type === 'thread').map(({ thread }) => thread)
  expect(threads).toMatchObject([
    { id, object: 'chatkit.thread', user: 'alice' },
    { id: hosted.id, object: 'chatkit.thread', user: 'alice' },
  ])
  expect(countsOf(lines)).toMatchObject({ session: 1, thread: 2, item: 3 })
  expect(JSON.stringify(lines)).toContain('remember the milk')
  expect(JSON.stringify(lines)).not.toContain('a secret of bob')
  expect(summaryOf(lines)).toMatchObject({ complete: true })
})

test('an erase deletes threads and attachments at the server, and the records of their owner', async () => {
  const [alice, bob] = [await askerFor('alice'), await askerFor('bob')]
  for (let at = 0; at < 5; at++) await createThread(alice)
  for (let at = 0; at < 3; at++) await createAttachment(alice)
  const { id: his } = await createThread(bob)
  const file = await createAttachment(bob)
  running.upstream.seedThread({ user: 'alice' })
  expect(await eraseOf(running, 'alice')).toMatchObject({
    complete: true,
    sessions: { cancelled: 1, cancelling: [] },
    threads_deleted: 6,
    attachments_deleted: 3,
    blocked_until: null,
  })
  expect([await ownedBy('alice', 'thread'), await ownedBy('alice', 'attachment')]).toEqual([[], []])
  expect([await ownedBy('bob', 'thread'), await ownedBy('bob', 'attachment')]).toEqual([
    [his],
    [file],
  ])
  expect(askedOf('threads.delete')).toHaveLength(5)
  expect(askedOf('attachments.delete')).toHaveLength(3)
  expect((await bob(['threads.get_by_id', { thread_id: his }])).status).toBe(200)
  expect(summaryOf(await exportOf(running, 'alice'))).toMatchObject({ threads: 0, sessions: 0 })
})

test('an erase releases threads and attachments that the server has lost', async () => {
  for (const kind of ['thread', 'attachment'] as const) {
    await registry.claimOwnership(ownership({ id: `lost_${kind}`, kind, source: server.url }))
  }
  expect(await eraseOf(running, 'alice')).toMatchObject({ complete: true, failed: 0 })
  expect([await ownedBy('alice', 'thread'), await ownedBy('alice', 'attachment')]).toEqual([[], []])
})

test('an erase while the server is down names what is left and keeps its owner, and a later one deletes it', async () => {
  const alice = await askerFor('alice')
  const { id } = await createThread(alice)
  const file = await createAttachment(alice)
  server.server.setFaults({ status: 500 })
  const summary = await eraseOf(running, 'alice')
  expect(summary).toMatchObject({ complete: false, threads_deleted: 0, failed: 2 })
  expect(summary['failures']).toEqual([
    { what: 'thread', workflow: 'helpdesk', id, code: 'upstream_unavailable' },
    { what: 'attachment', workflow: 'helpdesk', id: file, code: 'upstream_unavailable' },
  ])
  expect(summary['blocked_until']).toEqual(expect.any(Number))
  expect([await ownedBy('alice', 'thread'), await ownedBy('alice', 'attachment')]).toEqual([
    [id],
    [file],
  ])
  server.server.setFaults({})
  expect(await eraseOf(running, 'alice')).toMatchObject({ complete: true, threads_deleted: 1 })
  expect(await ownedBy('alice', 'thread')).toEqual([])
})

test('an erase names what is at a server that the config no longer has', async () => {
  await registry.claimOwnership(ownership({ id: 'thr_old', source: 'retired' }))
  await registry.claimOwnership(ownership({ id: 'thr_gone', source: 'support' }))
  await registry.claimOwnership(ownership({ id: 'thr_his', source: 'retired', user: 'bob' }))
  expect(await eraseOf(running, 'alice')).toMatchObject({
    complete: false,
    failures: [
      { what: 'thread', workflow: 'retired', id: 'thr_old', code: 'workflow_unavailable' },
      { what: 'thread', workflow: 'support', id: 'thr_gone', code: 'workflow_unavailable' },
    ],
  })
  expect(await ownedBy('alice', 'thread')).toEqual(['thr_old', 'thr_gone'])
})

test('an erase ends a running stream, and a thread that the server makes late is not kept', async () => {
  const [alice, late] = [await askerFor('alice'), await askerFor('alice')]
  const counting = await alice(['threads.create', { input: input('count to 100000') }])
  const ended = counting.text()
  server.server.setFaults({ latency_ms: 150, times: 1 })
  const coming = late(['threads.create', { input: input('hello') }]).then((answer) => answer.text())
  await expect.poll(() => askedOf('threads.create')).toHaveLength(2)
  expect(await eraseOf(running, 'alice')).toMatchObject({ complete: true })
  expect(await ended).toContain('"type":"error"')
  await coming
  expect(await ownedBy('alice', 'thread')).toEqual([])
})

test('an erase right after a revoke keeps no thread that the server makes late', async () => {
  const alice = await askerFor('alice')
  server.server.setFaults({ latency_ms: 300, times: 1 })
  const coming = alice(['threads.create', { input: input('hello') }]).then((answer) =>
    answer.text(),
  )
  await expect.poll(() => askedOf('threads.create')).toHaveLength(1)
  await revoke(running, 'alice')
  expect(await eraseOf(running, 'alice')).toMatchObject({ complete: true })
  await coming
  expect(await ownedBy('alice', 'thread')).toEqual([])
})

test('an export names the threads at a server that the config no longer has, and is not complete', async () => {
  await registry.claimOwnership(ownership({ id: 'thr_old', source: 'retired' }))
  await registry.claimOwnership(
    ownership({ id: 'file_old', source: 'retired', kind: 'attachment' }),
  )
  await registry.claimOwnership(ownership({ id: 'thr_his', source: 'retired', user: 'bob' }))
  const lines = await exportOf(running, 'alice')
  expect(lines.filter(({ type }) => type === 'failure')).toEqual([
    { type: 'failure', thread_id: 'thr_old' },
  ])
  expect(summaryOf(lines)).toMatchObject({
    complete: false,
    failures: [
      { what: 'thread', workflow: 'retired', id: 'thr_old', code: 'workflow_unavailable' },
    ],
  })
})

test('an export while the server is down names each thread, and is not complete', async () => {
  const alice = await askerFor('alice')
  const ids = [(await createThread(alice)).id, (await createThread(alice)).id]
  await createThread(await askerFor('bob'))
  server.server.setFaults({ status: 500 })
  const lines = await exportOf(running, 'alice')
  const failed = ids.map((thread_id) => ({ type: 'failure', thread_id }))
  expect(lines.filter(({ type }) => type === 'failure')).toEqual(failed)
  const code = 'upstream_unavailable'
  expect(summaryOf(lines)).toMatchObject({
    complete: false,
    failed: 3,
    failures: [
      { what: 'threads', workflow: 'helpdesk', code },
      ...ids.map((id) => ({ what: 'thread', workflow: 'helpdesk', id, code })),
    ],
  })
})

test('an export says which threads could not be read, and is then not complete', async () => {
  const { id } = await createThread(await askerFor('alice'), 'remember the milk')
  await registry.claimOwnership(ownership({ id: 'thr_lost', source: server.url }))
  const lines = await exportOf(running, 'alice')
  expect(lines).toContainEqual({ type: 'failure', thread_id: 'thr_lost' })
  expect(lines).toContainEqual(
    expect.objectContaining({ type: 'thread', thread: expect.objectContaining({ id }) }),
  )
  expect(summaryOf(lines)).toMatchObject({
    complete: false,
    threads: 1,
    failed: 1,
    failures: [{ what: 'thread', workflow: 'helpdesk', id: 'thr_lost' }],
  })
})
