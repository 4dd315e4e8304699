import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { createChatKitFetch, createGetClientSecret, MintError } from '../../src/client/client.js'
import { fakeNetwork, hanging, late, minted, problem, type Scripted } from './fake-network.ts'

beforeEach(() => {
  vi.useFakeTimers({ now: 1_800_000_000_000 })
  vi.spyOn(Math, 'random').mockReturnValue(0)
})
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
  vi.restoreAllMocks()
})

function scene(...script: Scripted[]) {
  const network = fakeNetwork(...script)
  const told = { onSignedOut: vi.fn(), onRevoked: vi.fn() }
  const getToken = vi.fn(async () => 'a token')
  const options = { url: 'https://chat.example.com', getToken, fetch: network.fetch, ...told }
  return { ...network, ...told, getToken, options, get: createGetClientSecret(options) }
}

/** The outcome once all timers have run. */
async function outcome(call: Promise<string>) {
  const settled = call.catch((error: unknown) => error)
  await vi.runAllTimersAsync()
  return settled
}

// A bundler writes `undefined` in the place of a variable that the build lacks.
test('without url: both functions throw at once, with the code no_url', () => {
  const { url }: { url: string } = JSON.parse('{}')
  const options = { url, getClientSecret: createGetClientSecret({ url: '' }) }
  for (const create of [createGetClientSecret, createChatKitFetch]) {
    const call = () => create(options)
    expect(call).toThrow(MintError)
    expect(call).toThrow(
      expect.objectContaining({ code: 'no_url', message: 'no_url: url is missing' }),
    )
  }
})

describe('a call', () => {
  test('sends token, workflow, input and the current secret, and gives the new one', async () => {
    const { options, calls } = scene(minted('ek_2'))
    const get = createGetClientSecret({ ...options, workflow: 'support', input: { page: '/x' } })
    expect(await get('ek_1')).toBe('ek_2')
    expect(calls).toHaveLength(1)
    expect(calls[0]?.url).toBe('https://chat.example.com/v1/sessions')
    expect(calls[0]?.headers.get('authorization')).toBe('Bearer a token')
    expect(calls[0]?.headers.get('content-type')).toBe('application/json')
    expect(calls[0]?.body).toEqual({
      workflow: 'support',
      input: { page: '/x' },
      current_client_secret: 'ek_1',
    })
  })

  test('sends null before there is a secret, and nothing that was not given', async () => {
    const { get, calls, fetch } = scene(minted('ek_1'))
    await get(null)
    expect(calls[0]?.body).toEqual({ current_client_secret: null })
    expect(fetch.mock.calls[0]?.[1]).toMatchObject({ method: 'POST', redirect: 'manual' })
  })

  test.each([
    ['https://chat.example.com/', 'https://chat.example.com/v1/sessions'],
    ['https://chat.example.com/mint', 'https://chat.example.com/mint/v1/sessions'],
    ['https://chat.example.com/v1/sessions', 'https://chat.example.com/v1/sessions'],
    ['', '/v1/sessions'],
  ])('of the service at %j goes to %j', async (url, address) => {
    const { options, calls } = scene(minted('ek_1'))
    await createGetClientSecret({ ...options, url })(null)
    expect(calls[0]?.url).toBe(address)
  })

  test('asks for a token each time; without one, no Authorization is sent', async () => {
    const { get, getToken, calls } = scene(minted('ek_1'), minted('ek_2'))
    await get(null)
    getToken.mockResolvedValue('')
    await get('ek_1')
    expect(calls.map(({ headers }) => headers.get('authorization'))).toEqual([
      'Bearer a token',
      null,
    ])
  })

  test('is shared while it is in flight, and only then', async () => {
    const { get, calls } = scene(minted('ek_1'), minted('ek_2'))
    expect(await Promise.all([get(null), get(null), get('ek_0')])).toEqual(['ek_1', 'ek_1', 'ek_1'])
    expect(calls).toHaveLength(1)
    expect(await get('ek_1')).toBe('ek_2')
  })
})

test.each<[string, unknown]>([
  ['an object', { accessToken: 'of alice' }],
  ['a function', () => 'of alice'],
  ['a text with a line end in it', 'of\nalice'],
  ['a text that no header can carry', 'of ali\u2028ce'],
])('a token that is %s is never sent, and shows in no error', async (_, token) => {
  const { options, calls } = scene()
  const get = createGetClientSecret({ ...options, getToken: () => token as string })
  const error = await outcome(get(null))
  expect(error).toMatchObject({ name: 'MintError', code: 'token_unavailable' })
  expect(inspect(error)).not.toMatch(/alice/)
  expect(calls).toEqual([])
})

describe('trying again', () => {
  const passing: [string, () => Scripted, string][] = [
    ['no connection', () => new TypeError('Failed to fetch'), 'network_error'],
    ['408', () => problem(408, 'request_timeout'), 'request_timeout'],
    ['429', () => problem(429, 'rate_limited'), 'rate_limited'],
    ['503', () => problem(503, 'upstream_unavailable'), 'upstream_unavailable'],
    ['504', () => problem(504, 'upstream_timeout'), 'upstream_timeout'],
    ['a redirect', () => new Response(null, { status: 308 }), 'http_308'],
    [
      'an answer that is no JSON',
      () => new Response('<html>', { status: 200 }),
      'invalid_response',
    ],
    ['an answer without a secret', () => Response.json({}), 'invalid_response'],
    ['JSON null', () => Response.json(null, { status: 502 }), 'http_502'],
  ]

  test.each(passing)('after %s, twice at most', async (_, fault) => {
    const { get, calls } = scene(fault(), fault(), minted('ek_1'))
    expect(await outcome(get(null))).toBe('ek_1')
    expect(calls).toHaveLength(3)
  })

  test.each(passing)(
    'ends after the third time with the last error: %s',
    async (_, fault, code) => {
      const { get, calls, onSignedOut, onRevoked } = scene(
        fault(),
        fault(),
        fault(),
        minted('ek_1'),
      )
      const error = await outcome(get(null))
      expect(error).toBeInstanceOf(MintError)
      expect(error).toMatchObject({ code })
      expect(calls).toHaveLength(3)
      expect([onSignedOut, onRevoked].map((told) => told.mock.calls.length)).toEqual([0, 0])
      expect(await get(null)).toBe('ek_1')
    },
  )

  test('when getToken fails; then no request is made', async () => {
    const { get, getToken, calls } = scene(minted('ek_1'))
    const reason = new Error('popup closed')
    getToken.mockRejectedValueOnce(reason)
    expect(await outcome(get(null))).toBe('ek_1')
    expect(calls).toHaveLength(1)
    getToken.mockRejectedValue(reason)
    expect(await outcome(get(null))).toMatchObject({ code: 'token_unavailable', cause: reason })
    getToken.mockImplementation(() => {
      throw reason
    })
    expect(await outcome(get(null))).toMatchObject({ code: 'token_unavailable', cause: reason })
    expect(calls).toHaveLength(1)
  })

  // ChatKit posts the error to its frame, which waits for ever where the browser cannot clone it.
  test('with an error that can be cloned, whatever getToken fails with', async () => {
    const { get, getToken } = scene()
    const reason = new Response('an answer of the sign-in', { status: 503 })
    getToken.mockRejectedValue(reason)
    const error = await outcome(get(null))
    expect(error).toMatchObject({ code: 'token_unavailable', cause: reason })
    expect(structuredClone(error)).toMatchObject({
      message: 'token_unavailable: [object Response]',
    })
  })

  test('after a request of 30 seconds, which is given up', async () => {
    const { get, calls } = scene(hanging, minted('ek_1'))
    const call = get(null)
    await vi.advanceTimersByTimeAsync(29_999)
    expect(calls[0]?.signal?.aborted).toBe(false)
    await vi.advanceTimersByTimeAsync(1)
    expect(calls[0]?.signal?.aborted).toBe(true)
    expect(await outcome(call)).toBe('ek_1')
  })

  /** Milliseconds between the requests. */
  async function waits(random: number, fault: () => Response): Promise<number[]> {
    vi.mocked(Math.random).mockReturnValue(random)
    const times: number[] = []
    const send = async () => {
      times.push(Date.now())
      return fault()
    }
    await outcome(createGetClientSecret({ url: 'https://a.example', fetch: send })(null))
    return times.slice(1).map((time, at) => time - (times[at] ?? 0))
  }

  test('waits longer each time, with jitter', async () => {
    const fault = () => problem(503, 'overloaded')
    expect(await waits(0, fault)).toEqual([500, 1000])
    expect(await waits(0.5, fault)).toEqual([750, 1500])
  })

  test.each([
    ['in seconds', '7', 7000],
    ['as a date', new Date(1_800_000_000_000 + 60_000).toUTCString(), 60_000],
    ['beyond two minutes', '100000', 120_000],
  ])('no earlier than Retry-After says, %s', async (_, header, first) => {
    const [wait] = await waits(0, () => problem(429, 'rate_limited', { 'Retry-After': header }))
    expect(wait).toBe(first)
  })

  test.each(['0', '-5', 'soon', ''])('as usual when Retry-After is %j', async (header) => {
    const fault = () => problem(429, 'rate_limited', { 'Retry-After': header })
    expect(await waits(0, fault)).toEqual([500, 1000])
  })

  test('waits for different times after the same Retry-After', async () => {
    const fault = () => problem(429, 'rate_limited', { 'Retry-After': '7' })
    expect((await waits(0.5, fault))[0]).toBe(7250)
  })
})

describe('stopping', () => {
  test('on 401: calls onSignedOut once, and asks no more', async () => {
    const { get, calls, onSignedOut, onRevoked } = scene(problem(401, 'token_expired'))
    const outcomes = await Promise.allSettled([get(null), get(null)])
    const error = { code: 'token_expired', status: 401, requestId: 'req_1' }
    expect(outcomes).toMatchObject([{ reason: error }, { reason: error }])
    await expect(get(null)).rejects.toMatchObject(error)
    expect(calls).toHaveLength(1)
    expect(onSignedOut.mock.calls).toEqual([[expect.objectContaining(error)]])
    expect(onRevoked).not.toHaveBeenCalled()
  })

  test('on invalid_token: asks getToken for no other token', async () => {
    const tokens = ['of another service', 'of alice']
    const { options, calls, onSignedOut } = scene(problem(401, 'invalid_token'))
    const get = createGetClientSecret({ ...options, getToken: () => tokens.shift() ?? '' })
    await expect(get()).rejects.toMatchObject({ code: 'invalid_token' })
    expect([calls.length, tokens]).toEqual([1, ['of alice']])
    expect(onSignedOut).toHaveBeenCalledOnce()
  })

  test('on token_expired: goes on when getToken then gives another token', async () => {
    const tokens = ['stale', 'fresh', 'fresh']
    const { options, calls, onSignedOut } = scene(problem(401, 'token_expired'), minted('s1'))
    const get = createGetClientSecret({ ...options, getToken: () => tokens.shift() ?? '' })
    expect(await get()).toBe('s1')
    expect(calls.map(({ headers }) => headers.get('authorization'))).toEqual([
      'Bearer stale',
      'Bearer fresh',
    ])
    expect(onSignedOut).not.toHaveBeenCalled()
  })

  test('on token_expired at the last try: sends the other token once, and no more', async () => {
    const tokens = ['stale', 'stale', 'stale', 'fresh', 'fresh']
    const down = () => problem(503, 'upstream_unavailable')
    const { options, calls } = scene(down(), down(), problem(401, 'token_expired'), down(), down())
    const get = createGetClientSecret({ ...options, getToken: () => tokens.shift() ?? '' })
    expect(await outcome(get())).toMatchObject({ code: 'upstream_unavailable' })
    expect(calls).toHaveLength(4)
  })

  test('on token_expired after sleep: goes on although getToken fails at first', async () => {
    const { options, calls, onSignedOut } = scene(problem(401, 'token_expired'), minted('s1'))
    const getToken = vi.fn(async () => 'fresh')
    getToken.mockResolvedValueOnce('stale').mockRejectedValueOnce(new TypeError('offline'))
    const get = createGetClientSecret({ ...options, getToken })
    expect(await outcome(get())).toBe('s1')
    expect(calls).toHaveLength(2)
    expect(onSignedOut).not.toHaveBeenCalled()
  })

  test('on token_expired: asks no more when the other token is refused, too', async () => {
    const tokens = ['stale', 'staler', 'stalest']
    const { options, calls, onSignedOut } = scene(
      problem(401, 'token_expired'),
      problem(401, 'token_expired'),
    )
    const get = createGetClientSecret({ ...options, getToken: () => tokens.shift() ?? '' })
    await expect(get()).rejects.toMatchObject({ code: 'token_expired' })
    await expect(get()).rejects.toMatchObject({ code: 'token_expired' })
    expect(calls).toHaveLength(2)
    expect(onSignedOut).toHaveBeenCalledOnce()
  })

  test('on token_expired: sends the same token no second time', async () => {
    const { get, calls, onSignedOut } = scene(problem(401, 'token_expired'))
    await expect(get()).rejects.toMatchObject({ code: 'token_expired' })
    expect(calls).toHaveLength(1)
    expect(onSignedOut).toHaveBeenCalledOnce()
  })

  test('on user_blocked: calls onRevoked once, and asks no more', async () => {
    const { get, calls, onSignedOut, onRevoked } = scene(problem(403, 'user_blocked'))
    await expect(get('ek_1')).rejects.toMatchObject({ code: 'user_blocked' })
    await expect(get('ek_1')).rejects.toMatchObject({ code: 'user_blocked' })
    expect(calls).toHaveLength(1)
    expect(onRevoked).toHaveBeenCalledTimes(1)
    expect(onSignedOut).not.toHaveBeenCalled()
  })

  test.each([
    [400, 'invalid_request'],
    [403, 'workflow_not_allowed'],
    [404, 'not_found'],
    [413, 'body_too_large'],
  ])(
    'on %d %s: with an error that has the request id, and without a callback',
    async (status, code) => {
      const { get, calls, onSignedOut, onRevoked } = scene(problem(status, code))
      const error = await get(null).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(MintError)
      expect(error).toMatchObject({ name: 'MintError', code, status, requestId: 'req_1' })
      expect(String(error)).toBe(`MintError: ${code}: About ${code}.`)
      await expect(get(null)).rejects.toBe(error)
      expect(calls).toHaveLength(1)
      expect([onSignedOut, onRevoked].map((told) => told.mock.calls.length)).toEqual([0, 0])
    },
  )

  test('on a 403 of a proxy, which has no code of ours', async () => {
    const { get } = scene(new Response('<html>no</html>', { status: 403 }))
    const message = 'http_403: '
    await expect(get(null)).rejects.toMatchObject({ message, requestId: undefined })
    await expect(get(null)).rejects.toMatchObject({ code: 'http_403' })
  })

  test('of a page that gave no callbacks throws nothing beside it', async () => {
    const uncaught = vi.fn()
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').on('uncaughtException', uncaught)
    onTestFinished(() => {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    })
    for (const code of ['invalid_token', 'user_blocked']) {
      const { options } = scene(problem(code === 'invalid_token' ? 401 : 403, code))
      const { onSignedOut: _, onRevoked: __, ...others } = options
      await expect(createGetClientSecret(others)(null)).rejects.toMatchObject({ code })
    }
    await vi.advanceTimersByTimeAsync(1)
    expect(uncaught).not.toHaveBeenCalled()
  })

  test('on a refusal, even if it carries a secret', async () => {
    const { get } = scene(Response.json({ client_secret: 'ek_1' }, { status: 403 }))
    await expect(get(null)).rejects.toMatchObject({ code: 'http_403' })
  })

  test('lasts until reset()', async () => {
    const { get, calls } = scene(problem(401, 'invalid_token'), minted('ek_1'))
    await expect(get('ek_0')).rejects.toMatchObject({ code: 'invalid_token' })
    get.reset()
    expect(await get(null)).toBe('ek_1')
    expect(calls).toHaveLength(2)
  })

  test('does not depend on what the callback does', async () => {
    const { options, calls } = scene(problem(401, 'invalid_token'))
    const thrown = Promise.withResolvers<unknown>()
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException').once('uncaughtException', thrown.resolve)
    const onSignedOut = () => {
      throw new Error("the page's own")
    }
    const get = createGetClientSecret({ ...options, onSignedOut })
    await expect(get(null)).rejects.toMatchObject({ code: 'invalid_token' })
    expect(await thrown.promise).toMatchObject({ message: "the page's own" })
    for (const listener of listeners) process.on('uncaughtException', listener)
    await expect(get(null)).rejects.toMatchObject({ code: 'invalid_token' })
    expect(calls).toHaveLength(1)
  })
})

describe('reset()', () => {
  test('aborts the request, rejects those who wait, and the next call begins anew', async () => {
    const { get, calls } = scene(hanging, minted('ek_2'))
    const waiting = [get(null), get(null)]
    await vi.advanceTimersByTimeAsync(10)
    const signal = get.signal()
    get.reset()
    expect(await Promise.allSettled(waiting)).toMatchObject([
      { reason: { code: 'reset' } },
      { reason: { code: 'reset' } },
    ])
    expect([calls[0]?.signal?.aborted, signal.aborted, get.signal().aborted]).toEqual([
      true,
      true,
      false,
    ])
    expect(await get(null)).toBe('ek_2')
  })

  test('may come before the first call, and twice', async () => {
    const { get } = scene(minted('ek_1'))
    get.reset()
    get.reset()
    expect(await get(null)).toBe('ek_1')
  })

  test('ignores an answer that comes late, success or failure', async () => {
    const secret = late(minted('ek_of_alice'))
    const refusal = late(problem(401, 'invalid_token'))
    const { get, onSignedOut } = scene(secret.answer, refusal.answer, minted('ek_of_bob'))
    for (const { come } of [secret, refusal]) {
      const call = get(null)
      await vi.advanceTimersByTimeAsync(10)
      get.reset()
      come()
      await expect(call).rejects.toMatchObject({ code: 'reset' })
    }
    await vi.runAllTimersAsync()
    expect(onSignedOut).not.toHaveBeenCalled()
    expect(await get(null)).toBe('ek_of_bob')
  })

  test('an old answer does not end the call of the next user', async () => {
    const old = late(minted('ek_of_alice'))
    const fresh = late(minted('ek_of_bob'))
    const { get, calls } = scene(old.answer, fresh.answer)
    const first = get(null)
    await vi.advanceTimersByTimeAsync(10)
    get.reset()
    await expect(first).rejects.toMatchObject({ code: 'reset' })
    const second = get(null)
    old.come()
    await vi.advanceTimersByTimeAsync(10)
    const third = get(null)
    fresh.come()
    expect(await Promise.all([second, third])).toEqual(['ek_of_bob', 'ek_of_bob'])
    expect(calls).toHaveLength(2)
  })

  test('called by getToken itself ends the call, and the next one begins anew', async () => {
    const { options, calls } = scene(minted('of bob'))
    const getToken = vi.fn(() => 'of bob')
    const get = createGetClientSecret({ ...options, getToken })
    getToken.mockImplementationOnce(() => {
      get.reset()
      return 'of alice'
    })
    await expect(get(null)).rejects.toMatchObject({ code: 'reset' })
    expect(await get(null)).toBe('of bob')
    expect(calls.map(({ headers }) => headers.get('authorization'))).toEqual(['Bearer of bob'])
  })

  test('while it waits to try again, nothing is sent afterwards', async () => {
    const { get, calls } = scene(problem(503, 'overloaded', { 'Retry-After': '60' }))
    const call = get(null)
    await vi.advanceTimersByTimeAsync(10)
    get.reset()
    expect(vi.getTimerCount()).toBe(0)
    await expect(call).rejects.toMatchObject({ code: 'reset' })
    await vi.runAllTimersAsync()
    expect(calls).toHaveLength(1)
  })

  test('while the token is fetched, nothing is sent with it', async () => {
    const { get, getToken, calls } = scene()
    const token = Promise.withResolvers<string>()
    getToken.mockReturnValueOnce(token.promise)
    const call = get(null)
    get.reset()
    token.resolve('token of alice')
    await expect(call).rejects.toMatchObject({ code: 'reset' })
    await vi.runAllTimersAsync()
    expect(calls).toHaveLength(0)
  })
})
