import type { RequestListener } from 'node:http'
import { json } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { ownership } from '../contracts/registry-fixtures.ts'
import { ADMINS } from '../support/admin-calls.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { serve } from '../support/network/listen.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { countsOf, eraseOf, exportOf, summaryOf } from '../support/user-data.ts'

// A server gets ids in a body, so those of its threads may have any characters.

const IDS = ['thr:1', 'projects/p/sessions/7', 'ü', 'x y', '..', 'a%2Fb', '"q"', 'a'.repeat(512)]

/** A server that has the threads, until they are deleted. */
async function startServer() {
  const left = new Set(IDS)
  const answerTo = (type: string, id: string) => {
    if (type === 'threads.list')
      return { data: [...left].map((one) => ({ id: one, created_at: 1 })) }
    if (type === 'threads.get_by_id') return { id, created_at: 1 }
    if (type === 'threads.delete') return left.delete(id) ? {} : undefined
    return { data: [{ id: 'i:1', thread_id: id, created_at: 1, type: 'task', task: {} }] }
  }
  const listener: RequestListener = async (request, response) => {
    const { type, params } = (await json(request)) as {
      type: string
      params: { thread_id: string }
    }
    const answer = answerTo(type, params.thread_id)
    const status = answer === undefined ? 404 : 200
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer))
  }
  const { origin, close } = await serve(listener)
  onTestFinished(close)
  return { server: `${origin}/chatkit`, left }
}

async function start() {
  const { server, left } = await startServer()
  const registry = createSqliteRegistry({ path: ':memory:' })
  for (const id of IDS) await registry.claimOwnership(ownership({ id, source: server }))
  const config = selfHostedConfig({ server, more: ADMINS })
  const running = await startService({ config, env: { PUBLIC_URL }, registry })
  onTestFinished(() => running.close())
  return { running, left }
}

test('the list of a user’s threads goes on behind any id', async () => {
  const { running } = await start()
  const headers = { authorization: `Bearer ${tokenFor('alice')}` }
  const listed: string[] = []
  for (let after = ''; listed.length < IDS.length; ) {
    const answer = await fetch(`${running.url}/v1/threads?workflow=helpdesk&limit=1${after}`, {
      headers,
    })
    expect(answer.status).toBe(200)
    const { data, last_id } = (await answer.json()) as { data: { id: string }[]; last_id: string }
    listed.push(...data.map(({ id }) => id))
    after = `&after=${encodeURIComponent(last_id)}`
  }
  expect(listed.toSorted()).toEqual(IDS.toSorted())
})

test('an export of threads with any id is complete', async () => {
  const { running } = await start()
  const lines = await exportOf(running, 'alice')
  expect(summaryOf(lines)).toMatchObject({ complete: true })
  expect(countsOf(lines)).toMatchObject({ thread: IDS.length, item: IDS.length })
})

test('an erase of threads with any id is complete', async () => {
  const { running, left } = await start()
  expect(await eraseOf(running, 'alice')).toMatchObject({
    complete: true,
    threads_deleted: IDS.length,
  })
  expect([...left]).toEqual([])
})
