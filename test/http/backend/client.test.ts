import OpenAI from 'openai'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { guideText } from '../../docs/samples.ts'
import { officialClient } from '../../support/chatkit/sdk.ts'
import { startThreadScene } from '../../support/chatkit/thread-scene.ts'
import { eventually } from '../../support/eventually.ts'
import { userId } from '../../support/ids.ts'
import { HIGH_LIMITS, startService } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'
import { BILLING, BILLING_NEXT, errorOf, ONE_KEY } from './scene.ts'

const LIMITS = HIGH_LIMITS.replace('mints_per_user: { max: 100000, seconds: 60', (line) =>
  line.replace('100000, seconds: 60', '2, seconds: 2'),
)
const scene = forAllTests(() =>
  startThreadScene({
    workflows: ['support', 'desk'],
    more: ONE_KEY,
    config: (yaml) => yaml.replace(HIGH_LIMITS, LIMITS),
  }),
)
/** The outcome for the client, retries included. */
let seen: { readonly path: string; readonly status: number; readonly wait: string | null }[]
let client: OpenAI
beforeEach(() => {
  scene.tamper = undefined
  seen = []
  client = new OpenAI({
    baseURL: `${scene.running.url}/v1`,
    apiKey: BILLING,
    async fetch(url, init) {
      const response = await fetch(url, init)
      const { pathname } = new URL(String(url))
      const path = pathname.replace(/cksess_\w+/, '{id}')
      seen.push({ path, status: response.status, wait: response.headers.get('retry-after') })
      if (response.status !== 503) return response
      // The client waits for this long, so that only our own limits make it really wait.
      const headers = { ...Object.fromEntries(response.headers), 'retry-after-ms': '5' }
      return new Response(response.body, { status: 503, headers })
    },
  })
})

const hosted = (user: string) => ({ user, workflow: { id: 'support' } })
const statusesAt = (path: string) =>
  seen.filter((one) => one.path === `/v1/chatkit/${path}`).map(({ status }) => status)

/** Some calls of the ChatKit API fail for a while: by method and path, with how many are to fail. */
function failing(counts: Record<string, number>, status: number): void {
  scene.tamper = async (request, answer) => {
    const name = `${request.method} ${new URL(request.url).pathname.split('/').at(-1)}`
    if ((counts[name] ?? 0) === 0) return answer()
    counts[name] = (counts[name] ?? 0) - 1
    return Response.json({ error: { message: 'no' } }, { status })
  }
}

async function sessionsOf(user: string): Promise<number> {
  const query = { user: userId(user), limit: 100, order: 'desc', now: 0 } as const
  const list = await scene.registry.listSessions(query)
  return list?.data.length ?? 0
}

describe('the retries of the official client, two by default', () => {
  test('end well once a limit of mints has passed, and once the ChatKit API is well again', async () => {
    // The service itself tries twice, so two failures of the API are one for the client.
    failing({ 'POST sessions': 2, 'POST cancel': 1, 'GET threads': 2 }, 500)
    const { sessions, threads } = client.beta.chatkit
    const made = await sessions.create(hosted('alice'))
    expect(statusesAt('sessions')).toEqual([503, 200])
    expect(await sessions.cancel(made.id)).toMatchObject({ status: 'cancelled' })
    expect(statusesAt('sessions/{id}/cancel')).toEqual([503, 200])
    expect((await threads.list()).data).toEqual([])
    expect(statusesAt('threads')).toEqual([503, 200])

    seen = []
    for (const _mint of [1, 2, 3]) await sessions.create(hosted('bob'))
    expect(statusesAt('sessions')).toEqual([200, 200, 429, 200])
    for (const { status, wait } of seen) expect(Number(wait) > 0, String(status)).toBe(status > 200)
    expect(await sessionsOf('bob')).toBe(3)
  })

  test('are not made for what the backend has to correct', async () => {
    const error = await errorOf(client.beta.chatkit.sessions.create(hosted('')))
    expect(error).toBeInstanceOf(OpenAI.BadRequestError)
    expect(statusesAt('sessions')).toEqual([400])
  })

  test('give up after two, with the last answer', async () => {
    failing({ 'GET threads': 100 }, 429)
    const error = await errorOf(client.beta.chatkit.threads.list())
    expect(error).toBeInstanceOf(OpenAI.InternalServerError)
    expect(error.code).toBe('rate_limit_exceeded')
    expect(statusesAt('threads')).toEqual([503, 503, 503])
  })
})

describe('options of the official client', () => {
  test('for another key, other headers and no retries work by withOptions and for one call', async () => {
    const other = client.withOptions({ apiKey: BILLING_NEXT, maxRetries: 0 })
    expect((await other.beta.chatkit.threads.list()).data).toEqual([])
    const headers = { 'X-Trace': 'a', 'OpenAI-Beta': 'assistants=v2', 'OpenAI-Project': 'proj' }
    const page = await other.beta.chatkit.threads.list({}, { headers, idempotencyKey: 'k' })
    expect(page.data).toEqual([])
    const bad = client.withOptions({ apiKey: 'sk-of-nobody' })
    const error = await errorOf(bad.beta.chatkit.threads.list())
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect([error.code, error.requestID]).toEqual(['invalid_api_key', expect.any(String)])
  })

  test('for the raw answer give it with the id of the request', async () => {
    const call = client.beta.chatkit.sessions.create({ user: 'carol', workflow: { id: 'desk' } })
    const { data, response, request_id } = await call.withResponse()
    expect(response.headers.get('x-request-id')).toBe(request_id)
    expect(request_id).toEqual(expect.stringMatching(/./))
    expect(response.headers.get('content-type')).toMatch(/^application\/json/)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(data.status).toBe('active')
  })

  test.each(['a timeout', 'an abort'])(
    '%s ends a create whose session nobody gets, and none is in the registry',
    async (by) => {
      const { promise: late, resolve: go } = Promise.withResolvers<void>()
      const { promise: asked, resolve: arrived } = Promise.withResolvers<void>()
      scene.tamper = async (_request, answer) => {
        arrived()
        await late
        return answer()
      }
      const user = by === 'a timeout' ? 'dave' : 'erin'
      const controller = new AbortController()
      const call = client.beta.chatkit.sessions.create(hosted(user), {
        ...(by === 'a timeout' ? { timeout: 300 } : { signal: controller.signal }),
        maxRetries: 0,
      })
      const failed = errorOf(call)
      await asked
      if (by === 'an abort') controller.abort()
      const kind = by === 'a timeout' ? OpenAI.APIConnectionTimeoutError : OpenAI.APIUserAbortError
      expect(await failed).toBeInstanceOf(kind)
      const gone = { status: 408, code: 'request_timeout', reason: 'the client is gone' }
      await eventually(() => expect(scene.running.log.at(-1)).toMatchObject(gone))
      go()
      expect(await sessionsOf(user)).toBe(0)
    },
  )

  test('a service that is not there is a connection error', async () => {
    const nowhere = client.withOptions({ baseURL: 'http://127.0.0.1:9/v1', maxRetries: 0 })
    const error = await errorOf(nowhere.beta.chatkit.threads.list())
    expect(error).toBeInstanceOf(OpenAI.APIConnectionError)
  })
})

test('a base URL without /v1 is the error that the guide for backends names', async () => {
  const astray = new OpenAI({ baseURL: scene.running.url, apiKey: BILLING })
  const failed = await errorOf(astray.beta.chatkit.sessions.create(hosted('lost')))
  expect(failed.status).toBe(404)
  const [, words = ''] = /With `([^`]+)` in the message/.exec(guideText('backends')) ?? []
  expect(words).not.toBe('')
  expect(failed.message).toContain(words)
})

test('a service without api_keys answers 404 in the format of the API', async () => {
  const { url, close } = await startService()
  onTestFinished(() => close())
  const failed = await errorOf(
    officialClient(`${url}/v1`).beta.chatkit.sessions.create(hosted('x')),
  )
  expect(failed).toMatchObject({ status: 404, type: 'invalid_request_error' })
})
