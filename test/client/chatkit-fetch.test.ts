import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createChatKitFetch, createGetClientSecret } from '../../src/client/client.js'
import { type Call, fakeNetwork, hanging, late, minted, problem } from './fake-network.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const SERVICE = 'https://chat.example.com'
const API = `${SERVICE}/chatkit/helpdesk`
const REQUEST = { method: 'POST', body: '{"type":"threads.list"}' }

function scene(...script: Parameters<typeof fakeNetwork>) {
  const network = fakeNetwork(...script)
  const told = { onSignedOut: vi.fn(), onRevoked: vi.fn() }
  const options = {
    url: SERVICE,
    getToken: () => 'a token',
    workflow: 'helpdesk',
    fetch: network.fetch,
    ...told,
  }
  return { ...network, ...told, options, chatKitFetch: createChatKitFetch(options) }
}

const authorizations = (calls: readonly Call[]) =>
  calls.map(({ url, headers }) => [new URL(url).pathname, headers.get('authorization')])

const ok = (text = '{}') => new Response(text)

/** A client secret of a self-hosted workflow that lives for this many seconds. */
function jwt(jti: string, seconds: number): string {
  // With both characters that base64 and base64url write differently, each several times.
  const sub = '?'.repeat(9) + '>'.repeat(9)
  const payload = JSON.stringify({ jti, sub, iat: 5, exp: 5 + seconds })
  return `e30.${Buffer.from(payload).toString('base64url')}.sig`
}

// Cloudflare's servers load the modules of a page that they render so.
test('is made where nothing may make an AbortController yet, and works once it may', async () => {
  const refuse = () => {
    throw new Error('not allowed within global scope')
  }
  vi.stubGlobal('AbortController', refuse)
  const { chatKitFetch } = scene(minted('s1'), ok('answer'))
  vi.unstubAllGlobals()
  expect(await (await chatKitFetch(API, REQUEST)).text()).toBe('answer')
})

describe('a request', () => {
  test('carries the secret, and everything else as it was', async () => {
    const { chatKitFetch, calls, fetch } = scene(minted('s1'), ok('answer'))
    const response = await chatKitFetch(API, {
      ...REQUEST,
      headers: { 'Content-Type': 'application/json', Authorization: 'of the page' },
    })
    expect(await response.text()).toBe('answer')
    expect(calls[0]?.body).toEqual({ workflow: 'helpdesk', current_client_secret: null })
    expect(authorizations(calls)).toEqual([
      ['/v1/sessions', 'Bearer a token'],
      ['/chatkit/helpdesk', 'Bearer s1'],
    ])
    expect(calls[1]?.headers.get('content-type')).toBe('application/json')
    expect(fetch.mock.calls[1]?.[1]).toMatchObject(REQUEST)
  })

  test('as a Request or a URL, too; its body can be sent twice', async () => {
    const bodies: string[] = []
    const { options, calls } = scene(
      minted('s1'),
      problem(401, 'invalid_token'),
      minted('s2'),
      ok(),
    )
    const spied: typeof fetch = async (input, init) => {
      if (input instanceof Request) bodies.push(await input.text())
      return options.fetch(input, init)
    }
    const chatKitFetch = createChatKitFetch({ ...options, fetch: spied })
    const headers = { 'Content-Type': 'application/json' }
    expect((await chatKitFetch(new Request(API, { ...REQUEST, headers }))).status).toBe(200)
    expect(bodies).toEqual([REQUEST.body, REQUEST.body])
    expect(calls[3]?.headers.get('content-type')).toBe('application/json')
    expect(calls[3]?.headers.get('authorization')).toBe('Bearer s2')
    const other = scene(minted('s1'), ok())
    await other.chatKitFetch(new URL(API), REQUEST)
    expect(other.calls[1]?.headers.get('authorization')).toBe('Bearer s1')
  })

  test('shares the mint with those that begin at the same time, and later ones', async () => {
    const { chatKitFetch, calls } = scene(minted('s1'), ok(), ok(), ok())
    await Promise.all([chatKitFetch(API, REQUEST), chatKitFetch(API, REQUEST)])
    await chatKitFetch(API, REQUEST)
    const secrets = authorizations(calls).map(([, authorization]) => authorization)
    expect(secrets).toEqual(['Bearer a token', 'Bearer s1', 'Bearer s1', 'Bearer s1'])
  })

  test('renews a secret from 80 % of its life on, once for all, and hands the old one in', async () => {
    const [first, second] = [jwt('one', 100), jwt('two', 100)]
    const { chatKitFetch, calls } = scene(minted(first), ok(), ok(), minted(second), ok(), ok())
    await chatKitFetch(API, REQUEST)
    vi.advanceTimersByTime(79_999)
    await chatKitFetch(API, REQUEST)
    vi.advanceTimersByTime(1)
    await Promise.all([chatKitFetch(API, REQUEST), chatKitFetch(API, REQUEST)])
    const [at, mint] = ['/chatkit/helpdesk', ['/v1/sessions', 'Bearer a token']]
    expect(authorizations(calls)).toEqual([
      mint,
      [at, `Bearer ${first}`],
      [at, `Bearer ${first}`],
      mint,
      [at, `Bearer ${second}`],
      [at, `Bearer ${second}`],
    ])
    expect(calls[3]?.body).toEqual({ workflow: 'helpdesk', current_client_secret: first })
  })

  test('goes on with the old secret when there is no new one yet, and asks again after a 401', async () => {
    const [first, second] = [jwt('one', 100), jwt('two', 100)]
    const down = [1, 2, 3].map(() => problem(503, 'overloaded', { 'Retry-After': '1' }))
    const answers = [ok(), ok(), problem(401, 'invalid_token')]
    const { chatKitFetch, calls } = scene(
      ...[minted(first), ok(), ...down, ...answers, minted(second), ok()],
    )
    await chatKitFetch(API, REQUEST)
    vi.advanceTimersByTime(80_000)
    const late = chatKitFetch(API, REQUEST)
    await vi.runAllTimersAsync()
    expect((await late).status).toBe(200)
    await chatKitFetch(API, REQUEST)
    expect((await chatKitFetch(API, REQUEST)).status).toBe(200)
    expect(authorizations(calls).slice(5)).toEqual([
      ...[1, 2, 3].map(() => ['/chatkit/helpdesk', `Bearer ${first}`]),
      ['/v1/sessions', 'Bearer a token'],
      ['/chatkit/helpdesk', `Bearer ${second}`],
    ])
    expect(calls[8]?.body).toMatchObject({ current_client_secret: first })
  })

  test('that comes while a renewal is under way goes on with the old secret, too, if that fails', async () => {
    const first = jwt('one', 100)
    const down = [1, 2, 3].map(() => problem(503, 'overloaded'))
    const { chatKitFetch, calls } = scene(minted(first), ok(), ...down, ok(), ok())
    await chatKitFetch(API, REQUEST)
    vi.advanceTimersByTime(80_000)
    const early = chatKitFetch(API, REQUEST)
    await vi.advanceTimersByTimeAsync(100)
    const late = chatKitFetch(API, REQUEST)
    await vi.runAllTimersAsync()
    expect([(await early).status, (await late).status]).toEqual([200, 200])
    expect(authorizations(calls).slice(5)).toEqual([
      ['/chatkit/helpdesk', `Bearer ${first}`],
      ['/chatkit/helpdesk', `Bearer ${first}`],
    ])
  })

  test('goes on with the old secret when a renewal takes five seconds, and later with the new one', async () => {
    const soon = new AbortController()
    const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(soon.signal)
    const [first, second] = [jwt('one', 100), jwt('two', 100)]
    const full = problem(429, 'rate_limited', { 'Retry-After': '10' })
    const { chatKitFetch, calls } = scene(
      ...[minted(first), ok(), full, ok(), ok(), minted(second), ok()],
    )
    await chatKitFetch(API, REQUEST)
    vi.advanceTimersByTime(80_000)
    const waiting = chatKitFetch(API, REQUEST)
    await vi.advanceTimersByTimeAsync(5000)
    expect(timeout).toHaveBeenLastCalledWith(5000)
    soon.abort()
    expect((await waiting).status).toBe(200)
    await chatKitFetch(API, REQUEST)
    await vi.runAllTimersAsync()
    await chatKitFetch(API, REQUEST)
    const [at, mint] = ['/chatkit/helpdesk', ['/v1/sessions', 'Bearer a token']]
    expect(authorizations(calls).slice(2)).toEqual([
      mint,
      [at, `Bearer ${first}`],
      [at, `Bearer ${first}`],
      mint,
      [at, `Bearer ${second}`],
    ])
    timeout.mockRestore()
  })

  test('that the page gives up ends at once, although the mint goes on, and others have its secret', async () => {
    const answer = late(minted('s1'))
    const { chatKitFetch, calls } = scene(answer.answer, ok())
    const page = new AbortController()
    const givenUp = [
      chatKitFetch(API, { ...REQUEST, signal: page.signal }),
      chatKitFetch(new Request(API, { ...REQUEST, signal: page.signal })),
      chatKitFetch(API, { ...REQUEST, signal: AbortSignal.abort() }),
    ].map((request) => request.catch((error: Error) => error.name))
    const other = chatKitFetch(API, REQUEST)
    page.abort()
    expect(await Promise.all(givenUp)).toEqual(['AbortError', 'AbortError', 'AbortError'])
    answer.come()
    expect((await other).status).toBe(200)
    expect(authorizations(calls).slice(1)).toEqual([['/chatkit/helpdesk', 'Bearer s1']])
  })

  test('to a path of the page’s own origin carries the secret when that origin is the service', async () => {
    vi.stubGlobal('location', { href: 'https://app.example.com/chat' })
    const { options, calls } = scene(minted('s1'), ok(), ok())
    const chatKitFetch = createChatKitFetch({ ...options, url: '' })
    await chatKitFetch('/chatkit/helpdesk', REQUEST)
    await chatKitFetch('https://chat.example.com/chatkit/helpdesk', REQUEST)
    const [, own, other] = calls.map(({ headers }) => headers.get('authorization'))
    expect([own, other]).toEqual(['Bearer s1', null])
  })

  test('to another host is sent unchanged: no secret, no mint', async () => {
    const { chatKitFetch, calls } = scene(ok(), ok())
    await chatKitFetch('https://bucket.storage.example/upload?signature=x', { method: 'PUT' })
    await chatKitFetch('http://chat.example.com/chatkit/helpdesk', REQUEST)
    expect(calls.map(({ headers }) => headers.get('authorization'))).toEqual([null, null])
  })

  test('that fails says in `message` of its JSON, where ChatKit looks, what is in `detail`', async () => {
    const own = () => Response.json({ message: 'A server’s own.' }, { status: 413 })
    const page = () => new Response('<html>', { status: 502 })
    const { chatKitFetch } = scene(minted('s1'), problem(429, 'rate_limited'), own(), page())
    const refused = await chatKitFetch(API, REQUEST)
    expect(await refused.clone().json()).not.toHaveProperty('message')
    const message = 'About rate_limited.'
    expect(await refused.json()).toMatchObject({ code: 'rate_limited', detail: message, message })
    expect(await (await chatKitFetch(API, REQUEST)).json()).toEqual({ message: 'A server’s own.' })
    await expect((await chatKitFetch(API, REQUEST)).json()).rejects.toBeInstanceOf(SyntaxError)
  })

  test('that succeeds gives its JSON unchanged', async () => {
    const body = { detail: 'of a widget' }
    const { chatKitFetch } = scene(minted('s1'), Response.json(body))
    expect(await (await chatKitFetch(API, REQUEST)).json()).toStrictEqual(body)
  })

  test('goes by the global fetch when no other is given', async () => {
    const { options, calls } = scene(minted('s1'), ok('answer'))
    vi.stubGlobal('fetch', options.fetch)
    const { fetch: _, ...others } = options
    expect(await (await createChatKitFetch(others)(API, REQUEST)).text()).toBe('answer')
    expect(calls).toHaveLength(2)
  })

  test.each([[null], ['down'], [['down']], [{ error: 'down' }]])(
    'that fails with the JSON %j gives it unchanged',
    async (body) => {
      const { chatKitFetch } = scene(minted('s1'), Response.json(body, { status: 502 }))
      expect(await (await chatKitFetch(API, REQUEST)).json()).toStrictEqual(body)
    },
  )

  test('streams: the answer is handed on before it has ended', async () => {
    const encoder = new TextEncoder()
    let more = (_: string) => {}
    const body = new ReadableStream({
      start(controller) {
        more = (text) => controller.enqueue(encoder.encode(text))
      },
    })
    const answer = new Response(body)
    const { chatKitFetch } = scene(minted('s1'), answer)
    const response = await chatKitFetch(API, REQUEST)
    expect(response).toBe(answer)
    more('data: {}\n\n')
    const { value } = (await response.body?.getReader().read()) ?? {}
    expect(new TextDecoder().decode(value)).toBe('data: {}\n\n')
  })
})

describe('401', () => {
  test('gets a new secret once, and the request is sent again', async () => {
    const { chatKitFetch, calls } = scene(
      minted('s1'),
      problem(401, 'invalid_token'),
      minted('s2'),
      ok('second'),
      ok(),
    )
    expect(await (await chatKitFetch(API, REQUEST)).text()).toBe('second')
    expect(calls[2]?.body).toMatchObject({ current_client_secret: 's1' })
    await chatKitFetch(API, REQUEST)
    expect(calls.at(-1)?.headers.get('authorization')).toBe('Bearer s2')
  })

  test('cancels the body of the refused answer', async () => {
    const refused = problem(401, 'invalid_token')
    const { chatKitFetch } = scene(minted('s1'), refused, minted('s2'), ok())
    const body = refused.body
    const cancel = vi.spyOn(body as ReadableStream, 'cancel')
    await chatKitFetch(API, REQUEST)
    expect(cancel).toHaveBeenCalledTimes(1)
  })

  test('of several requests makes one mint', async () => {
    const first = late(problem(401, 'invalid_token'))
    const second = late(problem(401, 'invalid_token'))
    const { chatKitFetch, calls } = scene(
      minted('s1'),
      first.answer,
      second.answer,
      minted('s2'),
      ok(),
      ok(),
    )
    const requests = [chatKitFetch(API, REQUEST), chatKitFetch(API, REQUEST)]
    await vi.advanceTimersByTimeAsync(1)
    first.come()
    expect((await Promise.race(requests)).status).toBe(200)
    second.come()
    await Promise.all(requests)
    expect(calls.filter(({ url }) => url.endsWith('/v1/sessions'))).toHaveLength(2)
    expect(calls.at(-1)?.headers.get('authorization')).toBe('Bearer s2')
  })

  test('that comes after the new secret of another request has failed asks for one again', async () => {
    const second = late(problem(401, 'invalid_token'))
    const down = [1, 2, 3].map(() => problem(503, 'overloaded', { 'Retry-After': '1' }))
    const { chatKitFetch, calls } = scene(
      ...[minted('s1'), problem(401, 'invalid_token'), second.answer, ...down],
      ...[minted('s2'), ok('second')],
    )
    const failed = expect(chatKitFetch(API, REQUEST)).rejects.toMatchObject({ code: 'overloaded' })
    const other = chatKitFetch(API, REQUEST)
    await vi.runAllTimersAsync()
    await failed
    second.come()
    expect(await (await other).text()).toBe('second')
    expect(calls.at(-1)?.headers.get('authorization')).toBe('Bearer s2')
  })

  test('is handed on for a request with a stream, which cannot be sent twice; the next request has the new secret', async () => {
    const { options, calls } = scene(
      minted('s1'),
      problem(401, 'invalid_token'),
      minted('s2'),
      ok(),
    )
    const reading: typeof fetch = async (input, init) => {
      if (init?.body instanceof ReadableStream) await new Response(init.body).text()
      return options.fetch(input, init)
    }
    const chatKitFetch = createChatKitFetch({ ...options, fetch: reading })
    const body = new Blob(['a file']).stream()
    const refused = await chatKitFetch(API, { method: 'POST', body })
    expect([refused.status, await refused.json()]).toMatchObject([401, { code: 'invalid_token' }])
    await chatKitFetch(API, REQUEST)
    expect(authorizations(calls).at(-1)).toEqual(['/chatkit/helpdesk', 'Bearer s2'])
    expect(calls).toHaveLength(4)
  })

  test('is handed on when it comes a second time', async () => {
    const refused = () => problem(401, 'invalid_token')
    const { chatKitFetch, calls } = scene(minted('s1'), refused(), minted('s2'), refused())
    expect((await chatKitFetch(API, REQUEST)).status).toBe(401)
    expect(calls).toHaveLength(4)
  })

  test.each([403, 404, 429, 500])('any other status is handed on: %d', async (status) => {
    const { chatKitFetch, calls } = scene(minted('s1'), problem(status, 'x'))
    expect((await chatKitFetch(API, REQUEST)).status).toBe(status)
    expect(calls).toHaveLength(2)
  })
})

describe('stops', () => {
  test('when the user is blocked: the request fails, and later ones at once', async () => {
    const { chatKitFetch, calls, onRevoked } = scene(
      minted('s1'),
      problem(401, 'invalid_token'),
      problem(403, 'user_blocked'),
    )
    await expect(chatKitFetch(API, REQUEST)).rejects.toMatchObject({ code: 'user_blocked' })
    await expect(chatKitFetch(API, REQUEST)).rejects.toMatchObject({ code: 'user_blocked' })
    expect(calls).toHaveLength(3)
    expect(onRevoked).toHaveBeenCalledTimes(1)
  })

  test('only for a time: goes on when mints succeed again', async () => {
    const down = () => problem(503, 'overloaded')
    const { chatKitFetch } = scene(down(), down(), down(), minted('s1'), ok())
    const failed = chatKitFetch(API, REQUEST).catch((error: unknown) => error)
    await vi.runAllTimersAsync()
    expect(await failed).toMatchObject({ code: 'overloaded' })
    expect((await chatKitFetch(API, REQUEST)).status).toBe(200)
  })
})

describe('reset()', () => {
  test('forgets the secret, and ends what is under way', async () => {
    const { chatKitFetch, calls } = scene(minted('of alice'), hanging, minted('of bob'), ok())
    const request = chatKitFetch(API, REQUEST)
    await vi.advanceTimersByTimeAsync(1)
    chatKitFetch.reset()
    await expect(request).rejects.toMatchObject({ code: 'reset' })
    await chatKitFetch(API, REQUEST)
    expect(calls[2]?.body).toMatchObject({ current_client_secret: null })
    expect(calls[3]?.headers.get('authorization')).toBe('Bearer of bob')
  })

  test('also ends what has a signal of its own, which works as before', async () => {
    const { chatKitFetch } = scene(minted('s1'), hanging, hanging, hanging)
    const page = new AbortController()
    const aborted = chatKitFetch(API, { ...REQUEST, signal: page.signal })
    await vi.advanceTimersByTimeAsync(1)
    page.abort(new Error('by the page'))
    await expect(aborted).rejects.toThrow('by the page')
    const other = new AbortController()
    const another = chatKitFetch(new Request(API, { ...REQUEST, signal: other.signal }))
    await vi.advanceTimersByTimeAsync(1)
    other.abort(new Error('by the page, too'))
    await expect(another).rejects.toThrow('by the page, too')
    const signal = new AbortController().signal
    const request = chatKitFetch(API, { ...REQUEST, signal })
    await vi.advanceTimersByTimeAsync(1)
    chatKitFetch.reset()
    await expect(request).rejects.toMatchObject({ code: 'reset' })
  })

  test('between a refusal and the new secret: nothing is sent with a secret that comes late', async () => {
    const refused = late(problem(401, 'invalid_token'))
    const { chatKitFetch, calls } = scene(minted('of alice'), refused.answer, minted('of bob'))
    const request = chatKitFetch(API, REQUEST).catch((error: unknown) => error)
    await vi.advanceTimersByTimeAsync(1)
    chatKitFetch.reset()
    refused.come()
    await request
    const sent = authorizations(calls).filter(([path]) => path !== '/v1/sessions')
    expect(sent).toEqual([['/chatkit/helpdesk', 'Bearer of alice']])
  })

  test('of a shared getClientSecret counts for the fetch as well', async () => {
    const { options, calls } = scene(minted('of alice'), ok(), minted('of bob'), ok())
    const getClientSecret = createGetClientSecret(options)
    const { url, fetch } = options
    const chatKitFetch = createChatKitFetch({ url, fetch, getClientSecret })
    await chatKitFetch(API, REQUEST)
    getClientSecret.reset()
    await chatKitFetch(API, REQUEST)
    expect(calls.at(-1)?.headers.get('authorization')).toBe('Bearer of bob')
  })
})
