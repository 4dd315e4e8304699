import { expect, test } from 'vitest'
import { type AnswerOnTheWire, hearAnswers } from '../../support/network/answers-on-the-wire.ts'
import { undescribed } from '../../support/network/described-answers.ts'
import { serve } from '../../support/network/listen.ts'

// The check that holds every other HTTP test to the API description must itself be able to fail.

const SECRET: AnswerOnTheWire = {
  method: 'POST',
  target: '/v1/sessions',
  status: 200,
  headers: { 'content-type': 'application/json', 'x-request-id': 'req_1' },
  body: '{"client_secret":"ek_1"}',
}

function problem(code: string, status: number): AnswerOnTheWire {
  const type = `urn:chatkit-mint:problem:${code}`
  const body = { type, title: 'T', status, detail: 'D', code, request_id: 'req_1' }
  const headers = { ...SECRET.headers, 'content-type': 'application/problem+json' }
  return { ...SECRET, status, headers, body: JSON.stringify(body) }
}

test('the check of answers lets described ones pass', () => {
  expect(undescribed(SECRET)).toBeUndefined()
  expect(undescribed(problem('user_blocked', 403))).toBeUndefined()
  expect(undescribed({ ...problem('not_found', 404), target: '/nowhere' })).toBeUndefined()
  expect(undescribed({ ...problem('invalid_request', 400), target: '*' })).toBeUndefined()
})

test.each<[string, AnswerOnTheWire, RegExp]>([
  ['a status', { ...SECRET, status: 201 }, /status that is not listed/],
  ['a body', { ...SECRET, body: '{"client_secret":1}' }, /expected string/],
  ['no body', { ...SECRET, body: '' }, /expected object/],
  ['a member too many', { ...SECRET, body: '{"client_secret":"a","id":"b"}' }, /Unrecognized key/],
  ['a media type', { ...SECRET, headers: { ...SECRET.headers, 'content-type': 'a/b' } }, /a\/b/],
  ['no request id', { ...SECRET, headers: { 'content-type': 'application/json' } }, /X-Request-Id/],
  ['a code of another call', problem('admin_required', 403), /not listed: admin_required/],
  [
    'another status in the body',
    { ...problem('user_blocked', 404), status: 403 },
    /another status/,
  ],
  ['no Retry-After', problem('rate_limited', 429), /without Retry-After/],
  ['no problem details', { ...problem('user_blocked', 403), body: '{}' }, /no problem details/],
  ['a path that is none', { ...SECRET, target: '/nowhere' }, /media type/],
  ['OPTIONS without Allow', { ...SECRET, method: 'OPTIONS', status: 204 }, /without Allow/],
])('the check of answers finds %s', (_what, answer, fault) => {
  expect(undescribed(answer)).toMatch(fault)
})

test('the check of answers finds members that a loose schema leaves out', () => {
  const headers = SECRET.headers
  const answer = { method: 'GET', target: '/livez', status: 200, headers }
  expect(undescribed({ ...answer, body: '{"status":"live"}' })).toBeUndefined()
  expect(undescribed({ ...answer, body: '{"status":"live","version":1}' })).toMatch(/not described/)
})

test('the check of answers sees every answer of a server, in whatever way Node lets it be written', async () => {
  const heard: AnswerOnTheWire[] = []
  const hearing = hearAnswers((answer) => heard.push(answer))
  const { origin: url, close } = await serve((request, response) => {
    if (request.url === '/head') return void response.writeHead(201, ['X-One', '1']).end('whole')
    if (request.url === '/pairs') return void response.writeHead(202, { 'X-Two': '2' }).end()
    response.setHeader('X-Three', '3')
    response.write('pa')
    response.end(Buffer.from('rts'))
  })
  hearing.listenTo(url)
  for (const path of ['/head', '/pairs', '/written']) await (await fetch(url + path)).text()
  hearing.stop()
  await (await fetch(`${url}/after`)).text()
  await close()
  expect(heard).toMatchObject([
    { method: 'GET', target: '/head', status: 201, headers: { 'x-one': '1' }, body: 'whole' },
    { target: '/pairs', status: 202, headers: { 'x-two': '2' }, body: '' },
    { target: '/written', status: 200, headers: { 'x-three': '3' }, body: 'parts' },
  ])
})
