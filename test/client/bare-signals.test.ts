import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createChatKitFetch, createGetClientSecret } from '../../src/client/client.js'
import { fakeNetwork, hanging, late, minted, problem } from './fake-network.ts'

// In browsers from before 2022, in the jsdom of Jest 29 and in React Native, signals have neither `reason` nor
// `throwIfAborted`, and `AbortSignal` has neither `any` nor `timeout`.

class BareSignal extends EventTarget {
  aborted = false
}

class BareController {
  readonly signal = new BareSignal()
  abort(): void {
    this.signal.aborted = true
    this.signal.dispatchEvent(new Event('abort'))
  }
}

beforeEach(() => {
  vi.stubGlobal('AbortSignal', BareSignal)
  vi.stubGlobal('AbortController', BareController)
  vi.useFakeTimers()
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

const SERVICE = 'https://chat.example.com'
const API = `${SERVICE}/chatkit/helpdesk`

function scene(...script: Parameters<typeof fakeNetwork>) {
  const network = fakeNetwork(...script)
  const onSignedOut = vi.fn()
  const options = { url: SERVICE, getToken: () => 'a token', fetch: network.fetch, onSignedOut }
  return { ...network, options, onSignedOut }
}

test('a client secret comes, also after a token that has expired and an answer that is to be waited for', async () => {
  const { options, calls } = scene(
    problem(401, 'token_expired'),
    problem(503, 'overloaded', { 'Retry-After': '1' }),
    minted('ek_1'),
  )
  let token = 0
  const secret = createGetClientSecret({ ...options, getToken: () => `token ${token++}` })(null)
  await vi.runAllTimersAsync()
  expect(await secret).toBe('ek_1')
  expect(calls).toHaveLength(3)
})

test('a reset ends a mint under way with a MintError, and calls nobody back', async () => {
  const { options, onSignedOut } = scene(hanging, minted('ek_2'))
  const get = createGetClientSecret(options)
  const secret = get(null)
  await vi.advanceTimersByTimeAsync(1)
  get.reset()
  await expect(secret).rejects.toMatchObject({ code: 'reset' })
  expect(await get(null)).toBe('ek_2')
  expect(onSignedOut).not.toHaveBeenCalled()
})

test('requests carry the secret, which a 401 renews', async () => {
  // React Native's answers have no `body`.
  const answers = [new Response(null, { status: 401 }), new Response('done')] as const
  const { options, calls } = scene(minted('s1'), answers[0], minted('s2'), answers[1])
  const response = await createChatKitFetch(options)(API, { method: 'POST', body: '{}' })
  expect(await response.text()).toBe('done')
  expect(calls.map(({ headers }) => headers.get('authorization'))).toEqual([
    'Bearer a token',
    'Bearer s1',
    'Bearer a token',
    'Bearer s2',
  ])
})

test('a secret that is due is renewed', async () => {
  const payload = btoa(JSON.stringify({ iat: 0, exp: 100 }))
  const { options, calls } = scene(
    minted(`e30.${payload}.s1`),
    new Response(),
    minted('s2'),
    new Response(),
  )
  const chatKitFetch = createChatKitFetch(options)
  await chatKitFetch(API)
  vi.advanceTimersByTime(80_000)
  await chatKitFetch(API)
  expect(calls.at(-1)?.headers.get('authorization')).toBe('Bearer s2')
})

test('a request that a 401 would repeat ends with a MintError after a reset', async () => {
  const refused = late(new Response('', { status: 401 }))
  const { options, calls } = scene(minted('s1'), refused.answer, minted('s2'))
  const chatKitFetch = createChatKitFetch(options)
  const response = chatKitFetch(API, { body: '{}', signal: new AbortController().signal })
  await vi.waitFor(() => expect(calls).toHaveLength(2))
  chatKitFetch.reset()
  refused.come()
  await expect(response).rejects.toMatchObject({ code: 'reset' })
})
