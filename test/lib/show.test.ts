import { expect, test } from 'vitest'
import { ServiceError } from '../../src/lib/errors.ts'
import { reasonOf, show, showAll, whyOf } from '../../src/lib/show.ts'

test('a text is shown in quotes, cut to 200 characters', () => {
  expect(show('chat-api')).toBe('"chat-api"')
  expect(show('x'.repeat(200))).toBe(`"${'x'.repeat(200)}"`)
  expect(show('x'.repeat(201))).toBe(`"${'x'.repeat(200)}…"`)
})

test('control characters and non-ASCII characters are replaced', () => {
  expect(show('\u001b[31m\na\u202eé')).toBe('"?[31m?a??"')
})

test.each([
  ['an API key', 'https://a.example/sk-proj-0123456789abcdef'],
  ['a client secret', 'ek_0123456789abcdef0123456789abcdef'],
  ['a JWT', `x/${'eyJhbGciOiJIUzI1NiJ9'}.eyJzdWIiOiJhIn0.c2lnbmF0dXJl`],
  ['a JWT across the cut', `${'x'.repeat(190)}/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln`],
])('%s is never shown', (_name, text) => {
  expect(show(text)).toContain('[redacted')
  expect(show(text)).not.toMatch(/sk-proj|ek_0|eyJ/)
})

test('the first five texts of a list are shown', () => {
  expect(showAll(['a', 'b'])).toBe('"a", "b"')
  expect(showAll([])).toBe('none')
  expect(showAll(Array.from({ length: 5000 }, (_, at) => `k${at}`))).toBe(
    '"k0", "k1", "k2", "k3", "k4", …',
  )
})

test('an error is shown with its causes, each once, and a cause that is no error is left out', () => {
  const refused = new Error('connect ECONNREFUSED')
  const outer = new ServiceError('idp_unavailable', {
    reason: 'GET x: connect ECONNREFUSED',
    cause: refused,
  })
  expect(reasonOf(new Error('no keys', { cause: outer }))).toBe(
    'no keys: GET x: connect ECONNREFUSED',
  )
  expect(reasonOf(new Error('odd', { cause: { status: 404 } }))).toBe('odd')
  const loop = new Error('loop')
  loop.cause = loop
  expect(reasonOf(loop)).toBe('loop')
  expect(reasonOf('text')).toBe('unknown error')
})

test('the log gets the reasons of what was foreseen, and the error itself where the fault is our own', () => {
  const caused = (cause: unknown) =>
    new ServiceError('store_unavailable', { reason: 'down', cause })
  expect(whyOf(caused(new Error('ECONNREFUSED')))).toEqual({ reason: 'down: ECONNREFUSED' })
  for (const error of [new Error('odd'), caused(new TypeError('x is not a function'))]) {
    expect(whyOf(error)).toEqual({ err: error })
  }
})
