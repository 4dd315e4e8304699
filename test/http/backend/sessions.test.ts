import { describe, expect, test } from 'vitest'
import { asAt } from '../../gateway/scene.ts'
import { callAdmin, sessionsOf } from '../../support/admin-calls.ts'
import { input } from '../../support/chatkit/server-client.ts'
import { forAllTests } from '../../support/started.ts'
import { BILLING, BILLING_NEXT, DESK, errorOf, HOSTED, SPACED, startBackend } from './scene.ts'

const scene = forAllTests(() => startBackend())
const sessions = (key?: string) => scene.client(key).beta.chatkit.sessions

const adminSession = async (id: string) =>
  (await callAdmin(scene.running, `GET /sessions/${id}`)).json()

const BY_DEFAULT = {
  automatic_thread_titling: { enabled: true },
  file_upload: { enabled: false, max_file_size: 512, max_files: 10 },
  history: { enabled: true, recent_threads: null },
}

describe('a session of a self-hosted workflow', () => {
  test('has every field, with the config in place of what the call leaves out', async () => {
    const session = await sessions().create({ user: 'alice', workflow: { id: 'helpdesk' } })
    const seconds = Math.floor(Date.now() / 1000)
    expect(session).toEqual({
      id: expect.stringMatching(/^cksess_/),
      object: 'chatkit.session',
      status: 'active',
      user: 'alice',
      client_secret: expect.stringMatching(/^eyJ/),
      expires_at: expect.any(Number),
      max_requests_per_1_minute: 30,
      rate_limits: { max_requests_per_1_minute: 30 },
      workflow: {
        id: 'helpdesk',
        version: null,
        state_variables: null,
        tracing: { enabled: false },
      },
      chatkit_configuration: BY_DEFAULT,
    })
    expect(Math.abs(session.expires_at - seconds - 300)).toBeLessThan(3)
  })

  test('opens the gateway with the state variables and the limit of the call', async () => {
    const { client_secret, id } = await sessions(DESK).create({
      user: 'bob',
      workflow: { id: 'wf_old_desk', state_variables: { plan: 'pro', seats: 4, trial: false } },
      expires_after: { anchor: 'created_at', seconds: 60 },
      rate_limits: { max_requests_per_1_minute: 2 },
    })
    const bob = asAt(`${scene.running.url}/chatkit/helpdesk`, { secret: client_secret })
    const create = () => bob(['threads.create', { input: input('hi') }])
    const statuses = []
    for (let turn = 0; turn < 3; turn++) {
      const response = await create()
      await response.text()
      statuses.push(response.status)
    }
    expect(statuses).toEqual([200, 200, 429])
    const claims = scene.server.server.requests().at(-1)?.headers['authorization']?.split('.')[1]
    expect(JSON.parse(Buffer.from(claims ?? '', 'base64url').toString())).toMatchObject({
      sub: 'bob',
      sid: id,
      state: { plan: 'pro', seats: 4, trial: false },
    })
  })

  test('is in the registry with the key as issuer, and its secret ends with a cancel', async () => {
    const made = await sessions(DESK).create({
      user: 'carol',
      workflow: { id: 'wf_old_desk', state_variables: { plan: 'pro' }, version: '7' },
      chatkit_configuration: { history: { recent_threads: 5 } },
      rate_limits: { max_requests_per_1_minute: 12 },
    })
    expect(await adminSession(made.id)).toMatchObject({
      user: 'carol',
      workflow: 'helpdesk',
      status: 'active',
      issuer: 'key:desk',
      subject: 'carol',
    })
    const cancelled = await sessions().cancel(made.id)
    expect(cancelled).toEqual({ ...made, status: 'cancelled', client_secret: '' })
    const carol = asAt(`${scene.running.url}/chatkit/helpdesk`, { secret: made.client_secret })
    expect((await carol(['threads.list', {}])).status).toBe(401)
    expect(await sessions().cancel(made.id)).toEqual(cancelled)
  })
})

describe('a session of a hosted workflow', () => {
  test('is OpenAI’s, asked with the config’s parameters where the call has none', async () => {
    scene.running.upstream.clearRequests()
    const made = await sessions(HOSTED).create({
      user: 'alice',
      workflow: { id: 'support', state_variables: { plan: 'theirs' } },
    })
    expect(scene.running.upstream.requests().map(({ body }) => body)).toEqual([
      {
        user: 'alice',
        workflow: {
          id: 'wf_support',
          version: '3',
          state_variables: { plan: 'theirs' },
          tracing: { enabled: true },
        },
        chatkit_configuration: { file_upload: { enabled: true, max_files: 3 } },
      },
    ])
    expect(made).toMatchObject({
      client_secret: expect.stringMatching(/^ek_/),
      workflow: { id: 'support', version: '3', state_variables: { plan: 'theirs' } },
      chatkit_configuration: { file_upload: { enabled: true, max_file_size: 512, max_files: 3 } },
    })
  })

  test('takes the call’s own parameters before the config’s', async () => {
    scene.running.upstream.clearRequests()
    const asked = {
      user: 'alice',
      workflow: { id: 'wf_support', version: '9', tracing: { enabled: false } },
      chatkit_configuration: {
        automatic_thread_titling: { enabled: false },
        history: { enabled: false },
      },
      expires_after: { anchor: 'created_at', seconds: 30 },
      rate_limits: { max_requests_per_1_minute: 3 },
    } as const
    const made = await sessions().create(asked)
    expect(scene.running.upstream.requests()[0]?.body).toEqual({
      ...asked,
      chatkit_configuration: {
        automatic_thread_titling: { enabled: false },
        file_upload: { enabled: true, max_files: 3 },
        history: { enabled: false },
      },
    })
    expect(made).toMatchObject({ max_requests_per_1_minute: 3, workflow: { id: 'wf_support' } })
    const cancelled = await sessions().cancel(made.id)
    expect(cancelled).toEqual({ ...made, status: 'cancelled', client_secret: '' })
    const [known] = scene.running.upstream.sessions().filter(({ id }) => id === made.id)
    expect(known?.status).toBe('cancelled')
  })

  test('takes a feature field by field from the call and the config', async () => {
    const made = await sessions().create({
      user: 'alice',
      workflow: { id: 'support' },
      chatkit_configuration: { file_upload: { max_files: 7 } },
    })
    const { file_upload } = made.chatkit_configuration
    expect(file_upload).toEqual({ enabled: true, max_file_size: 512, max_files: 7 })
  })

  test('whose cancel OpenAI does not confirm is 503, and the cancel goes on', async () => {
    const made = await sessions().create({ user: 'dave', workflow: { id: 'support' } })
    scene.running.upstream.setFaults({ status: 500, times: 1 })
    const error = await errorOf(sessions().cancel(made.id))
    expect([error.status, error.type, error.code]).toEqual([
      503,
      'server_error',
      'upstream_unavailable',
    ])
    expect(error.headers?.get('retry-after')).toBe('2')
    await expect
      .poll(async () => (await adminSession(made.id))['status'], { timeout: 10_000 })
      .toBe('cancelled')
    expect(await sessions().cancel(made.id)).toMatchObject({ status: 'cancelled' })
  })
})

describe('what a key may see', () => {
  test('a session of an end user is cancelled by a key with its workflow, and by no other', async () => {
    const response = await scene.running.mint()
    expect(response.status).toBe(200)
    const [session] = await sessionsOf(scene.running, 'alice')
    expect(session).toMatchObject({ workflow: 'helpdesk' })
    const id = session?.id ?? ''
    const refused = await errorOf(sessions(HOSTED).cancel(id))
    expect([refused.status, refused.message]).toEqual([
      404,
      `404 No session found with id '${id}'.`,
    ])
    expect((await adminSession(id))['status']).toBe('active')
    expect(await sessions(DESK).cancel(id)).toMatchObject({
      status: 'cancelled',
      client_secret: '',
    })
  })

  test.each([
    ['of another workflow', HOSTED, 'helpdesk'],
    ['by the id of another', DESK, 'wf_support'],
    ['by what another answers to', HOSTED, 'wf_old_desk'],
    ['that is not there', BILLING, 'wf_nobody'],
    ['named like a member of an object', BILLING, 'constructor'],
  ])('a workflow %s is 404, and nothing is created', async (_name, key, id) => {
    scene.running.upstream.clearRequests()
    const error = await errorOf(sessions(key).create({ user: 'alice', workflow: { id } }))
    expect(error).toMatchObject({
      status: 404,
      message: `404 Workflow with id '${id}' not found.`,
      type: 'invalid_request_error',
    })
    expect(scene.running.upstream.requests()).toEqual([])
  })

  test('a key with spaces in it is a key', async () => {
    const made = await sessions(SPACED).create({ user: 'erin', workflow: { id: 'helpdesk' } })
    expect(await adminSession(made.id)).toMatchObject({ issuer: 'key:spaced' })
  })

  test('both secrets of a key are good while it is changed', async () => {
    for (const key of [BILLING, BILLING_NEXT]) {
      const made = await sessions(key).create({ user: 'erin', workflow: { id: 'helpdesk' } })
      expect(await adminSession(made.id)).toMatchObject({ issuer: 'key:billing' })
    }
  })
})
