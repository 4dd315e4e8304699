import { expect, test } from 'vitest'
import { withDemoPage } from '../../../src/commands/demo/page.ts'
import type { RecordedRequest } from '../../../src/embedded/chatkit-api/recorder.ts'

const URL_OF_SERVICE = 'http://localhost:8787'

const sent = (request_id: string, body: unknown): RecordedRequest => ({
  at: 0,
  method: 'POST',
  path: '/v1/chatkit/sessions',
  query: '',
  headers: {},
  key_hint: '…abcd',
  body,
  request_id,
  status: 200,
})

const LOG = new Map([
  ['req_1', { level: 30, msg: 'request', workflow: 'support', upstream: { request_id: 'up_2' } }],
  ['req_2', { level: 30, msg: 'request', workflow: 'support', reason: 'blocked' }],
])

const app = withDemoPage(
  { fetch: () => new Response('the service') },
  {
    url: URL_OF_SERVICE,
    issuer: 'http://127.0.0.1:8788',
    config: 'workflows:\n  support: { id: wf_1, when: "claims.ok" }\n',
    log: { requestOf: (id) => LOG.get(id) },
    sent: () => [sent('up_1', 'of another'), sent('up_2', 'of this one')],
    adminToken: 'a token',
  },
)

const get = async (path: string) =>
  app.fetch(new Request(URL_OF_SERVICE + path, { headers: { Host: 'localhost:8787' } }))

test.each(['/', '/v1/sessions', '/demonstration', '/client.js'])(
  '%s is the service’s',
  async (path) => {
    expect(await (await get(path)).text()).toBe('the service')
  },
)

test('/ leads a browser to /demo', async () => {
  const headers = { Host: 'localhost:8787', accept: 'text/html,*/*;q=0.8' }
  const answer = await app.fetch(new Request(`${URL_OF_SERVICE}/`, { headers }))
  expect([answer.status, answer.headers.get('location')]).toEqual([302, `${URL_OF_SERVICE}/demo`])
})

test('/demo is the page, with the workflows as the config has them', async () => {
  expect(await (await get('/demo')).text()).toContain('<title>chatkit-mint demo</title>')
  const { workflows } = (await (await get('/demo/settings.json')).json()) as { workflows: object }
  expect(workflows).toEqual({ support: { id: 'wf_1', when: 'claims.ok' } })
})

test('the trace of a mint has its line of the log and its request to the ChatKit API', async () => {
  const trace = async (id: string) => (await get(`/demo/mints/${id}`)).json()
  expect(await trace('req_1')).toMatchObject({ workflow: 'support', sent: { body: 'of this one' } })
  expect(await trace('req_2')).toEqual({ workflow: 'support', reason: 'blocked' })
  expect((await get('/demo/mints/req_3')).status).toBe(404)
})
