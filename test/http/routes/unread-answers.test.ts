import { expect, test } from 'vitest'
import { startWatchedUpstream } from '../../support/chatkit/watched-upstream.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { openRaw, rawRequest } from '../../support/raw-http.ts'
import {
  DEFAULT_CONFIG,
  type Running,
  startService,
  tokenFor,
} from '../../support/running-service.ts'
import { forEachTest } from '../../support/started.ts'

// Pages of long conversations count in gateway.memory_mb while they are read, and until their client has taken
// them.

const MEBIBYTE = 1024 * 1024
const WAIT = { timeout: 15_000 }

let running: Running
const upstream = forEachTest(() => startWatchedUpstream())

/** @param memoryMb - value of gateway.memory_mb; one user may hold a quarter of it */
async function start(memoryMb: number): Promise<void> {
  const more = `gateway: { memory_mb: ${memoryMb}, max_frame_mb: 1, max_answer_mb: 1, max_body_mb: 1 }`
  const env = { OPENAI_BASE_URL: upstream.url }
  running = await startService({ config: `${DEFAULT_CONFIG}\n${more}\n`, env })
}

/** A list of one thread of the user, with a title as long. */
function answerLists(bytes: number): void {
  const title = 'x'.repeat(bytes)
  upstream.instead = (request) => {
    const user = new URL(request.url).searchParams.get('user')
    if (user === null) return undefined
    const thread = {
      ...{ id: 'cthr_1', object: 'chatkit.thread', created_at: 1, status: { type: 'active' } },
      ...{ title: '<title>', user },
    }
    const ids = { first_id: 'cthr_1', last_id: 'cthr_1' }
    const list = JSON.stringify({ object: 'list', data: [thread], ...ids, has_more: false })
    // Its letters need no escape, for which JSON.stringify would look at each of them.
    const body = list.replace('<title>', title)
    return new Response(body, { headers: { 'content-type': 'application/json' } })
  }
}

async function list(user: string) {
  const headers = { authorization: `Bearer ${tokenFor(user)}` }
  return answerOf(await fetch(`${running.url}/v1/threads`, { headers }))
}

test('an answer larger than the caller’s share is 503 overloaded, and mints go on', async () => {
  await start(8)
  answerLists(2.2 * MEBIBYTE)
  for (let n = 0; n < 3; n++) expectProblem(await list('alice'), 503, 'overloaded')
  answerLists(1.8 * MEBIBYTE)
  for (let n = 0; n < 3; n++) expect((await list('alice')).status).toBe(200)
  upstream.instead = undefined
  expect((await running.mint()).status).toBe(200)
})

test('answers that clients do not read take a user’s share, then all of the memory, and no mint, until they leave', async () => {
  await start(80)
  // More than the sockets' own buffers take.
  answerLists(15 * MEBIBYTE)
  const answered = () =>
    running.log.filter(({ msg, status }) => msg === 'request' && status === 200)
  const lazy: Awaited<ReturnType<typeof openRaw>>[] = []
  // One after the other, because on a slow machine five at once take longer than a call may.
  for (const user of ['a', 'b', 'c', 'd', 'e']) {
    const connection = await openRaw(running.url)
    connection.pause()
    const headers = [`Authorization: Bearer ${tokenFor(user)}`]
    connection.send(rawRequest('GET /v1/threads', { headers }))
    lazy.push(connection)
    await expect.poll(() => answered().length, WAIT).toBe(lazy.length)
    // The next user has a share of their own.
    if (user === 'a') expectProblem(await list('a'), 503, 'overloaded')
  }
  expectProblem(await list('frank'), 503, 'overloaded')
  const read = upstream.instead
  upstream.instead = undefined
  for (const user of ['a', 'frank']) expect((await running.mint(tokenFor(user))).status).toBe(200)
  upstream.instead = read
  for (const connection of lazy) connection.destroy()
  await expect.poll(async () => (await list('a')).status, WAIT).toBe(200)
})
