import { setTimeout as wait } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import {
  ADA,
  askAdmin,
  auditOf,
  callAdmin,
  expectRefusedMint,
  type PageSeen,
  revoke,
  secretOf,
  sessionsOf,
} from '../../support/admin-calls.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import { tokenFor } from '../../support/running-service.ts'
import { forEachTest } from '../../support/started.ts'
import {
  callUser,
  eraseOf,
  exportOf,
  linesOf,
  startUserData,
  summaryOf,
} from '../../support/user-data.ts'

const scene = forEachTest(() => startUserData())

const isDelete = (request: Request) => request.method === 'DELETE'
const isCancel = (request: Request) => request.url.endsWith('/cancel')

/** Lets the upstream wait with its answers to deletes; the function that is returned ends the wait. */
function holdDeletes(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  const { api } = scene.upstream
  scene.upstream.instead = (request) =>
    isDelete(request) ? promise.then(() => api.app.fetch(request)) : undefined
  return resolve
}

/** Gives all deletes this answer; the function that is returned gives their number. */
function answerDeletes(answer: () => Response): () => number {
  let deletes = 0
  scene.upstream.instead = (request) => {
    if (!isDelete(request)) return undefined
    deletes++
    return answer()
  }
  return () => deletes
}

function seed(user: string, threads: number): readonly string[] {
  return Array.from({ length: threads }, () => {
    return scene.upstream.api.seedThread({ user, items: [{ type: 'chatkit.widget' }] }).id
  })
}

/** Ids of a user's threads upstream. */
async function threadsOf(user: string): Promise<readonly string[]> {
  const url = `http://localhost/v1/chatkit/threads?limit=100&user=${user}`
  const headers = { authorization: 'Bearer sk-test', 'openai-beta': 'chatkit_beta=v1' }
  const response = await scene.upstream.api.app.request(url, { headers })
  const page: { data: { id: string }[] } = JSON.parse(await response.text())
  return page.data.map(({ id }) => id)
}

async function blocksOf(user: string) {
  const { data } = await askAdmin<PageSeen<{ user: string; blocked_until: number; by: string }>>(
    scene.running,
    'GET /blocks',
  )
  return data.filter((block) => block.user === user)
}

/** The lines that an export still finds, without its own entries and the proof of the erase. */
async function leftOf(user: string): Promise<readonly unknown[]> {
  const lines = await exportOf(scene.running, user)
  return lines.filter(({ type, audit }) => {
    if (type === 'summary') return false
    const { action } = (audit ?? {}) as { action?: string }
    return type !== 'audit' || !['erase', 'export'].includes(action ?? '')
  })
}

describe('an erase', () => {
  test('deletes sessions, threads and records, counts them, and leaves nothing', async () => {
    const { running } = scene
    seed('alice', 230)
    for (let at = 0; at < 2; at++) await secretOf(running, 'alice')
    const response = await callUser(running, 'POST alice erase')
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = await linesOf(response)
    expect(lines[0]).toEqual({
      type: 'progress',
      sessions_cancelled: expect.any(Number),
      threads_deleted: expect.any(Number),
      threads_failed: 0,
      attachments_deleted: 0,
      records_erased: expect.any(Number),
    })
    const deleted = lines.map((line) => Number(line['threads_deleted']))
    // One line for each hundred threads.
    expect(new Set(deleted.map((count) => Math.floor(count / 100)))).toEqual(new Set([0, 1, 2]))
    expect(lines.length).toBeLessThan(60)
    expect(deleted).toEqual(deleted.toSorted((a, b) => a - b))
    expect(lines.at(-1)).toEqual({
      type: 'summary',
      complete: true,
      sessions: { cancelled: 2, cancelling: [] },
      threads_deleted: 230,
      attachments_deleted: 0,
      // Two sessions, and two mints in the audit.
      records_erased: 4,
      failed: 0,
      failures: [],
      blocked_until: null,
    })
    // Three pages, the end of the list, and once more from its start.
    const lists = scene.upstream.api.requests().filter(({ method }) => method === 'GET')
    expect(lists).toHaveLength(5)
    expect(await threadsOf('alice')).toEqual([])
    expect(await leftOf('alice')).toEqual([])
    expect(scene.upstream.api.sessions().map(({ status }) => status)).toEqual([
      'cancelled',
      'cancelled',
    ])
  })

  test('blocks again within seconds when its block is lifted while it runs', async () => {
    const { running } = scene
    seed('alice', 1)
    const release = holdDeletes()
    const erased = eraseOf(running, 'alice')
    await expect.poll(() => blocksOf('alice')).toHaveLength(1)
    expect((await callAdmin(running, 'DELETE /users/alice/block')).status).toBe(204)
    await expect.poll(() => blocksOf('alice'), { timeout: 5000 }).toHaveLength(1)
    release()
    expect(await erased).toMatchObject({ complete: true, blocked_until: null })
    expect(await blocksOf('alice')).toEqual([])
  })

  test('stays in the audit log itself', async () => {
    seed('alice', 2)
    await secretOf(scene.running, 'alice')
    await eraseOf(scene.running, 'alice')
    const entries = await auditOf(scene.running, '&user=alice')
    const erase = { action: 'erase', actor: ADA, outcome: 'ok' }
    expect(entries).toMatchObject([
      { ...erase, reason: 'complete: 2 threads and 2 records erased' },
      { ...erase, reason: 'begun' },
    ])
  })

  test('deletes audit entries that wait to be written', async () => {
    const { running } = scene
    const body = JSON.stringify({ workflow: 'unknown' })
    const headers = { 'content-type': 'application/json' }
    expect((await running.mint(tokenFor('alice'), { body, headers })).status).toBe(403)
    expect(await eraseOf(running, 'alice')).toMatchObject({ records_erased: 1 })
    await running.mint(tokenFor('bob'), { body, headers })
    await expect.poll(() => auditOf(running, '&user=bob&action=mint')).toHaveLength(1)
    expect(await leftOf('alice')).toEqual([])
  })

  test('takes the name out of refused admin attempts, also as their actor', async () => {
    const { running } = scene
    const attempt = await callAdmin(running, 'GET /sessions', { token: tokenFor('alice') })
    expectProblem(attempt, 403, 'admin_required')
    await expect.poll(() => auditOf(running, '&action=admin_attempt')).toHaveLength(1)
    expect(await eraseOf(running, 'alice')).toMatchObject({ records_erased: 1 })
    const [left] = await auditOf(running, '&action=admin_attempt')
    expect(left).toMatchObject({ actor: null, user: null, outcome: 'refused' })
  })

  test('changes nothing of other users', async () => {
    const { running } = scene
    const [hers, his] = [seed('alice', 3), seed('alicia', 3)]
    const secret = await secretOf(running, 'alicia')
    await secretOf(running, 'alice')
    const before = await exportOf(running, 'alicia')
    await eraseOf(running, 'alice')
    expect((await threadsOf('alicia')).toSorted()).toEqual(his.toSorted())
    const after = await exportOf(running, 'alicia')
    const data = (lines: typeof before) => lines.filter(({ type }) => !/audit|summary/.test(type))
    expect(data(after)).toEqual(data(before))
    expect(summaryOf(after)).toMatchObject({ sessions: 1, threads: 3, items: 3 })
    const session = scene.upstream.api.sessions().find((one) => one.client_secret === secret)
    expect(session?.status).toBe('active')
    expect(hers).toHaveLength(3)
  })

  test('never deletes threads of others that the upstream lists', async () => {
    seed('alice', 2)
    const his = seed('bob', 2)
    const { api } = scene.upstream
    scene.upstream.instead = (request) => {
      if (!request.url.includes('user=alice')) return undefined
      return api.app.fetch(new Request(request.url.replace('user=alice', ''), request))
    }
    const summary = await eraseOf(scene.running, 'alice')
    expect(summary).toMatchObject({ threads_deleted: 2 })
    expect((await threadsOf('bob')).toSorted()).toEqual(his.toSorted())
  })

  test('blocks the user while it runs, and lifts the block afterwards', async () => {
    const { running } = scene
    seed('alice', 1)
    const release = holdDeletes()
    const response = await callUser(running, 'POST alice erase')
    expectProblem(await answerOf(await running.mint(tokenFor('alice'))), 403, 'user_blocked')
    expect((await running.mint(tokenFor('bob'))).status).toBe(200)
    expect(await blocksOf('alice')).toMatchObject([{ by: ADA }])
    release()
    const summary = summaryOf(await linesOf(response))
    expect(summary).toMatchObject({ complete: true, blocked_until: null })
    expect((await running.mint(tokenFor('alice'))).status).toBe(200)
  })

  test('sends progress while an upstream hangs', async () => {
    seed('alice', 1)
    const held = Promise.withResolvers<Response>()
    scene.upstream.instead = (request) => (isDelete(request) ? held.promise : undefined)
    const response = await callUser(scene.running, 'POST alice erase')
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    for (let line = 0; line < 3; line++) {
      expect((await reader?.read())?.value).toContain('"type":"progress"')
    }
    held.resolve(new Response('{}', { status: 500 }))
    expect((await reader?.read())?.value).toContain('"complete":false')
  })

  test('waits for a cancel longer than for the end of running answers', async () => {
    const { running, upstream } = scene
    await secretOf(running, 'alice')
    upstream.instead = (request) =>
      isCancel(request) ? wait(2000).then(() => upstream.api.app.fetch(request)) : undefined
    expect(await eraseOf(running, 'alice')).toMatchObject({
      complete: true,
      sessions: { cancelled: 1, cancelling: [] },
    })
  })

  test('of the admin’s own user is refused, and has no entry in the audit', async () => {
    const { running } = scene
    const refused = await callUser(running, 'POST ada erase')
    expect(refused.status).toBe(400)
    expect(await auditOf(running, '&user=ada&action=erase')).toEqual([])
  })

  test('of an unknown user is complete, and may be repeated', async () => {
    for (const user of ['nobody', 'nobody']) {
      expect(await eraseOf(scene.running, user)).toMatchObject({
        complete: true,
        threads_deleted: 0,
        records_erased: 0,
        blocked_until: null,
      })
    }
  })

  test('run three times at once, it deletes each thread once, and blocks until the last one ends', async () => {
    const { running } = scene
    seed('alice', 150)
    await secretOf(running, 'alice')
    const release = holdDeletes()
    const erases = Array.from({ length: 3 }, () => callUser(running, 'POST alice erase'))
    const answers = await Promise.all(erases)
    expectProblem(await answerOf(await running.mint(tokenFor('alice'))), 403, 'user_blocked')
    release()
    const summaries = await Promise.all(answers.map(async (each) => summaryOf(await linesOf(each))))
    for (const summary of summaries) expect(summary).toMatchObject({ failed: 0, complete: true })
    const deleted = summaries.map((summary) => Number(summary['threads_deleted']))
    expect(deleted.reduce((sum, each) => sum + each)).toBe(150)
    expect(await threadsOf('alice')).toEqual([])
    const lifted = summaries.filter(({ blocked_until: until }) => until === null)
    expect(lifted).toHaveLength(1)
    expect(await blocksOf('alice')).toEqual([])
    expect((await running.mint(tokenFor('alice'))).status).toBe(200)
  })

  test('goes on when the client leaves, and its result is audited', async () => {
    seed('alice', 60)
    const { api } = scene.upstream
    let deletes = 0
    const begun = Promise.withResolvers<void>()
    const held = Promise.withResolvers<void>()
    scene.upstream.instead = (request) => {
      if (!isDelete(request)) return undefined
      if (++deletes === 8) begun.resolve()
      return held.promise.then(() => api.app.fetch(request))
    }
    const leave = new AbortController()
    const { signal } = leave
    const url = `${scene.running.url}/v1/admin/users/alice/erase`
    const headers = { authorization: `Bearer ${tokenFor('ada', { roles: ['chatkit-admin'] })}` }
    await fetch(url, { method: 'POST', headers, signal })
    await begun.promise
    leave.abort()
    held.resolve()
    await expect
      .poll(async () => (await auditOf(scene.running, '&user=alice'))[0]?.reason, {
        timeout: 10_000,
      })
      .toMatch(/^complete: 60 threads/)
    expect(await threadsOf('alice')).toEqual([])
    expect(await blocksOf('alice')).toEqual([])
  })
})

describe('an erase names as failed', () => {
  test('a thread whose delete fails, keeps the block for a while, and deletes it when repeated', async () => {
    const { running } = scene
    const ids = seed('alice', 130)
    const [bad = ''] = ids.slice(50)
    scene.upstream.instead = (request) =>
      isDelete(request) && request.url.endsWith(bad)
        ? new Response('{}', { status: 503 })
        : undefined
    const summary = await eraseOf(running, 'alice')
    expect(summary).toMatchObject({
      complete: false,
      threads_deleted: 129,
      failed: 1,
      failures: [{ what: 'thread', workflow: 'support', id: bad, code: 'upstream_unavailable' }],
    })
    expect(await threadsOf('alice')).toEqual([bad])
    const [block] = await blocksOf('alice')
    expect(block?.blocked_until).toBe(summary['blocked_until'])
    await expectRefusedMint(running, tokenFor('alice'), [403, 'user_blocked'])
    const [end] = await auditOf(running, '&user=alice&action=erase')
    expect(end).toMatchObject({
      outcome: 'failed',
      reason: expect.stringMatching(/^incomplete: .* erased, 1 failure, 0 sessions not confirmed$/),
    })

    scene.upstream.instead = undefined
    const again = await eraseOf(running, 'alice')
    expect(again).toMatchObject({ complete: true, threads_deleted: 1, blocked_until: null })
    expect(await leftOf('alice')).toEqual([])
  })

  test('a thread whose delete is answered with deleted: false', async () => {
    const [id = ''] = seed('alice', 1)
    const answer = { id, object: 'chatkit.thread.deleted', deleted: false }
    scene.upstream.instead = (request) => (isDelete(request) ? Response.json(answer) : undefined)
    expect(await eraseOf(scene.running, 'alice')).toMatchObject({
      complete: false,
      failures: [{ what: 'thread', id, code: 'upstream_invalid_response' }],
    })
  })

  test('a list that fails in the middle', async () => {
    seed('alice', 150)
    let lists = 0
    scene.upstream.instead = (request) =>
      request.method === 'GET' && ++lists > 1 ? new Response('{}', { status: 401 }) : undefined
    expect(await eraseOf(scene.running, 'alice')).toMatchObject({
      complete: false,
      threads_deleted: 100,
      failures: [{ what: 'threads', workflow: 'support', code: 'upstream_auth_failed' }],
    })
  })

  test('the threads of an upstream that is down, without asking for each of a thousand', async () => {
    seed('alice', 1000)
    const deletes = answerDeletes(() => new Response('{}', { status: 400 }))
    const summary = await eraseOf(scene.running, 'alice')
    expect(summary).toMatchObject({ complete: false, threads_deleted: 0 })
    expect(summary['failures']).toHaveLength(100)
    expect(deletes()).toBeLessThan(120)
  })

  test('threads that stay listed though their delete gets 404, after asking once', async () => {
    const ids = seed('alice', 120)
    const [id = ''] = ids
    const { api } = scene.upstream
    const deletes = answerDeletes(() => new Response('{}', { status: 404 }))
    const summary = await eraseOf(scene.running, 'alice')
    expect(summary).toMatchObject({ complete: false, failed: ids.length })
    expect(summary).toMatchObject({ blocked_until: expect.any(Number), threads_deleted: 0 })
    const code = 'upstream_invalid_response'
    expect(summary['failures']).toContainEqual({ what: 'thread', workflow: 'support', id, code })
    expect(deletes()).toBe(ids.length)
    expect(api.requests().length).toBeLessThan(20)
  })

  test('a thread that stays listed though its delete succeeds', async () => {
    const [id = ''] = seed('alice', 1)
    const done = { id, object: 'chatkit.thread.deleted', deleted: true }
    const deletes = answerDeletes(() => Response.json(done))
    expect(await eraseOf(scene.running, 'alice')).toMatchObject({ complete: false, failed: 1 })
    expect(deletes()).toBe(2)
    expect(await threadsOf('alice')).toEqual([id])
  })

  test('nothing when a list that lags behind catches up', async () => {
    const [id = ''] = seed('alice', 1)
    let lists = 0
    scene.upstream.instead = (request) => {
      if (!/\/threads\?/.test(request.url) || ++lists !== 2) return undefined
      const about = { created_at: 1, status: { type: 'active' }, title: null, user: 'alice' }
      const ends = { first_id: id, last_id: id, has_more: false }
      const data = [{ id, object: 'chatkit.thread', ...about }]
      return Response.json({ object: 'list', data, ...ends })
    }
    expect(await eraseOf(scene.running, 'alice')).toMatchObject({ complete: true, failed: 0 })
  })

  test('a session whose cancel the upstream refuses, and keeps it until it has ended', async () => {
    const { running, upstream } = scene
    const stubborn = await secretOf(running, 'alice')
    await secretOf(running, 'alice')
    const id = upstream.api.sessions().find((one) => one.client_secret === stubborn)?.id ?? ''
    upstream.instead = (request) =>
      isCancel(request) && request.url.includes(id)
        ? new Response('{}', { status: 403 })
        : undefined
    const summary = await eraseOf(running, 'alice')
    expect(summary).toMatchObject({
      complete: false,
      sessions: { cancelled: 1, cancelling: [id] },
      failed: 0,
    })
    expect(summary['blocked_until']).toEqual(expect.any(Number))
    expect(await sessionsOf(running, 'alice')).toMatchObject([{ id, status: 'cancelling' }])
    upstream.instead = undefined
    const cancelled = async () => (await sessionsOf(running, 'alice'))[0]?.status
    await expect.poll(cancelled, { timeout: 10_000 }).toBe('cancelled')
    expect(await eraseOf(running, 'alice')).toMatchObject({ complete: true, blocked_until: null })
    expect(await leftOf('alice')).toEqual([])
  })
})

describe('a block of an admin', () => {
  test.each([3600, 60])('of %i s survives the erase', async (seconds) => {
    const { running } = scene
    const block = { block_seconds: seconds, reason: 'fraud' }
    const { blocked_until: until } = await revoke(running, 'alice', block)
    seed('alice', 2)
    const summary = await eraseOf(running, 'alice')
    expect(summary).toMatchObject({ complete: true })
    expect(Number(summary['blocked_until'])).toBeGreaterThanOrEqual(until ?? 0)
    expect(await blocksOf('alice')).toMatchObject([{ reason: 'fraud', by: ADA }])
    await expectRefusedMint(running, tokenFor('alice'), [403, 'user_blocked'])
  })

  test.each([3600, 30])('of %i s, set while it runs, is not lifted by it', async (seconds) => {
    const { running } = scene
    seed('alice', 1)
    const release = holdDeletes()
    const response = await callUser(running, 'POST alice erase')
    const { blocked_until: until } = await revoke(running, 'alice', { block_seconds: seconds })
    release()
    const summary = summaryOf(await linesOf(response))
    expect(summary).toMatchObject({ complete: true, blocked_until: until })
    await expectRefusedMint(running, tokenFor('alice'), [403, 'user_blocked'])
  })
})
