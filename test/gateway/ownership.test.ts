import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { REQUEST_TYPES } from '../../src/chatkit/protocol/request.ts'
import type { Registry } from '../../src/registry/port.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import { createAttachment, workingParams } from '../support/chatkit/gateway-requests.ts'
import { eventsOf, input, type Json, textOf } from '../support/chatkit/server-client.ts'
import { userId } from '../support/ids.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { forAllTests } from '../support/started.ts'
import { asAt, createThread, startScene, WORKFLOW } from './scene.ts'
import { start } from './scripted-server.ts'

// Two users of a server that does not know about users.

let alice: ReturnType<typeof asAt>
let bob: ReturnType<typeof asAt>
const scene = forAllTests(() => startScene())
beforeAll(async () => {
  alice = asAt(scene.url, await scene.session('alice'))
  bob = asAt(scene.url, await scene.session('bob'))
})
beforeEach(() => scene.sample.server.clearRequests())

describe.each(REQUEST_TYPES)('a request of type %s', (type) => {
  test('works on the user’s own threads and attachments', async () => {
    const params = await workingParams(type, alice)
    const response = await alice([type, params])
    expect(response.status).toBe(200)
    if (response.headers.get('content-type') === 'text/event-stream') {
      const events = await eventsOf(response)
      expect(events.filter((event) => event['type'] === 'error')).toEqual([])
      expect(events.length).toBeGreaterThan(0)
    } else {
      expect(typeof (await response.json())).toBe('object')
    }
  })

  test('is 404 before the server sees it when it names a thing of another user, or of nobody', async () => {
    const of = await workingParams(type, bob)
    const { id: own } = await createThread(alice)
    const { id: foreign } = await createThread(bob)
    const foreignAttachment = await createAttachment(bob)
    const attempts: Json[] = [
      ...(Object.hasOwn(of, 'thread_id') || Object.hasOwn(of, 'attachment_id') ? [of] : []),
      { ...of, thread_id: foreign },
      { ...of, thread_id: own, nested: { deep: [{ threadId: foreign }] } },
      { ...of, thread_id: own, Attachment_Ids: [foreignAttachment] },
      { ...of, thread_id: 'thr_unknown' },
      { ...of, thread_id: '\ud800' },
    ]
    scene.sample.server.clearRequests()
    const answers = []
    for (const params of attempts) {
      const answer = await answerOf(await alice([type, params]))
      expectProblem(answer, 404, 'not_found')
      answers.push(answer.body.replaceAll(answer.headers['x-request-id'] ?? '', ''))
    }
    expect(scene.sample.server.requests()).toEqual([])
    expect(new Set(answers).size).toBe(1)
  })
})

test('a message with another user’s attachment is refused', async () => {
  const attachment = await createAttachment(bob)
  const { id } = await createThread(alice)
  scene.sample.server.clearRequests()
  const requests = [
    ['threads.create', { input: input('hi', [attachment]) }],
    ['threads.add_user_message', { thread_id: id, input: input('hi', [attachment]) }],
  ] as const
  for (const request of requests) expect((await alice(request)).status).toBe(404)
  expect(scene.sample.server.requests()).toEqual([])
})

test('an id in the application’s own data is refused when it is another user’s, and passes when it is unknown', async () => {
  const { id: thread_id } = await createThread(alice)
  const { id: foreign } = await createThread(bob)
  const act = (thread: string) =>
    alice(['threads.custom_action', { thread_id, action: { type: 'x', payload: { thread } } }])
  expect((await act(foreign)).status).toBe(404)
  const passed = await act('thr_unknown')
  expect(passed.status).toBe(200)
  expect(textOf(await eventsOf(passed))).toContain('Action x')
})

test('a number that JavaScript rounds is judged by all its digits, as a server reads it', async () => {
  const { id: thread_id } = await createThread(alice)
  for (const id of [
    ...['9007199254740993', '9007199254741000', '-9007199254740993'],
    ...['12345678901234567000', '1e+21'],
  ]) {
    const thing = { source: WORKFLOW, kind: 'thread', id, createdAt: 1 } as const
    await scene.registry.claimOwnership({ ...thing, user: userId('bob') })
  }
  const { secret } = await scene.session('alice')
  const act = (payload: string) => {
    const action = `{"type":"x","payload":${payload}}`
    const body = `{"type":"threads.custom_action","params":{"thread_id":"${thread_id}","action":${action}}}`
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
    return fetch(scene.url, { method: 'POST', headers, body })
  }
  scene.sample.server.clearRequests()
  for (const [number, why] of [
    ['9007199254740993', 'of another user'],
    ['-9007199254740993', 'of another user'],
    ['9007199254741001', 'of another user, once a server has rounded it'],
    ['12345678901234567890', 'of another user, once JavaScript has rounded it'],
    ['1000000000000000000001', 'of another user, once JavaScript has rounded it'],
    ['9007199254740993.0', 'whose digits cannot be told'],
    ['9007199254740993e0', 'whose digits cannot be told'],
    ['1e300', 'whose digits cannot be told'],
    ['1'.repeat(41), 'longer than any that is converted'],
  ]) {
    for (const payload of [`{"thread":${number}}`, `[{"Thread_Id":[${number}]}]`]) {
      expect((await act(payload)).status, why).toBe(404)
    }
  }
  const asText = '{"thread":"9007199254741001","threads":[9007199254741001]}'
  expect((await act(asText)).status).toBe(404)
  const alike = Array.from({ length: 17 }, (_, at) => 10n ** 30n + BigInt(at)).join()
  expect((await act(`{"threads":[${alike}]}`)).status).toBe(404)
  expect(scene.sample.server.requests()).toEqual([])
  for (const payload of [
    '{"thread":9007199254740995}',
    `{"order":9007199254740993,"thread":9007199254740995,"text":"9007199254740993.0 \\"9007199254740993"}`,
    '{"threads":[22345678901234567890],"attachment_id":12345678901234567890}',
    '{"item_id":12345678901234567890,"itemIds":[1e300,12345678901234567890]}',
    '{"order_id":12345678901234567890}',
  ]) {
    expect((await act(payload)).status, payload).toBe(200)
  }
})

test('a tool’s result of 300 rows, each with a `thread_id` of another system, passes', async () => {
  const { id: thread_id } = await createThread(alice, 'call the tool')
  const rows = Array.from({ length: 300 }, (_, at) => ({ thread_id: `mail_${at}`, subject: 'Hi' }))
  const request = (result: unknown) =>
    alice(['threads.add_client_tool_output', { thread_id, result }])
  expect((await request({ rows })).status).toBe(200)
  const { id: foreign } = await createThread(bob)
  scene.sample.server.clearRequests()
  expect((await request({ rows: [...rows, { thread_id: foreign }] })).status).toBe(404)
  const more = Array.from({ length: 10_001 }, (_, at) => ({ thread_id: at }))
  expectProblem(await answerOf(await request(more)), 400, 'invalid_request')
  expect(scene.sample.server.requests()).toEqual([])
})

test('a thread that was deleted belongs to nobody', async () => {
  const { id } = await createThread(alice)
  expect((await alice(['threads.delete', { thread_id: id }])).status).toBe(200)
  scene.sample.server.clearRequests()
  expect((await alice(['threads.get_by_id', { thread_id: id }])).status).toBe(404)
  expect(scene.sample.server.requests()).toEqual([])
})

test.each([404, 410])(
  'a thread that the server has lost, and says so with %i, belongs to nobody once it is deleted',
  async (status) => {
    const { id } = await createThread(alice)
    const request = ['threads.delete', { thread_id: id }] as const
    scene.sample.server.setFaults({ status, times: 1 })
    expect((await alice(request)).status).toBe(status)
    scene.sample.server.clearRequests()
    expect((await alice(request)).status).toBe(404)
    expect(scene.sample.server.requests()).toEqual([])
  },
)

test('a delete that the server has carried out succeeds although the store cannot remove the record', async () => {
  const registry: Registry = {
    ...createSqliteRegistry({ path: ':memory:' }),
    releaseOwnership: () => Promise.reject(new Error('down')),
  }
  const { alice, scene } = await start({ registry })
  const { id } = await createThread(alice)
  expect((await alice(['threads.delete', { thread_id: id }])).status).toBe(200)
  expect(scene.lines).toContainEqual(
    expect.objectContaining({ msg: 'a record of ownership was left behind' }),
  )
})

test('a thread keeps its owner when a delete meets an address that answers 404 to everything', async () => {
  const { id } = await createThread(alice)
  scene.sample.server.setFaults({ status: 404 })
  expect((await alice(['threads.delete', { thread_id: id }])).status).toBe(404)
  scene.sample.server.setFaults({})
  expect((await alice(['threads.get_by_id', { thread_id: id }])).status).toBe(200)
  expect((await alice(['threads.delete', { thread_id: id }])).status).toBe(200)
})

test('when the server makes an attachment with the id of another user’s, the client gets 502', async () => {
  const params = { name: 'a', size: 1, mime_type: 'text/plain' }
  const { id } = (await (await bob(['attachments.create', params])).json()) as { id: string }
  scene.sample.server.setFaults({ status: 200, body: { id, name: 'a', mime_type: 'text/plain' } })
  const answer = await answerOf(await alice(['attachments.create', params]))
  scene.sample.server.setFaults({})
  expectProblem(answer, 502, 'upstream_invalid_response')
  expect(answer.body).not.toContain(id)
})
