import { describe, expect, test } from 'vitest'
import { callAdmin, revoke } from '../../support/admin-calls.ts'
import { describeEachStore } from '../../support/registry/each-store.ts'
import { HIGH_LIMITS } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'
import { DESK, errorOf, HOSTED, OPTIONS, startBackend } from './scene.ts'

const CAP = HIGH_LIMITS.replace('{ max: 100000 }', '{ max: 2, when_full: evict_oldest }')
const DENY = CAP.replace('evict_oldest', 'deny').replace(
  'mints_per_user: { max: 100000',
  'mints_per_user: { max: 4',
)

const EVERY_OPTION = {
  workflow: {
    id: 'wf_old_desk',
    version: '7',
    state_variables: { plan: 'pro', seats: 4, trial: false },
    tracing: { enabled: true },
  },
  ...OPTIONS,
} as const
const HOSTED_OPTIONS = {
  ...EVERY_OPTION,
  workflow: { ...EVERY_OPTION.workflow, id: 'wf_support' },
} as const

describeEachStore('backends on %s', (env) => {
  const scene = forAllTests(() => startBackend({ env: env(), limits: CAP }))
  const sessions = (key?: string) => scene.client(key).beta.chatkit.sessions
  const requests = () => scene.running.upstream.requests().length

  test('a session is cancelled once and for all, by any key with its workflow', async () => {
    const made = await sessions().create({ user: 'alice', ...HOSTED_OPTIONS })
    const cancelled = { ...made, status: 'cancelled', client_secret: '' }
    expect(await sessions(HOSTED).cancel(made.id)).toEqual(cancelled)
    expect(await sessions().cancel(made.id)).toEqual(cancelled)
    expect((await errorOf(sessions(DESK).cancel(made.id))).status).toBe(404)
  })

  test('a blocked user gets none by a key either, until the block is lifted', async () => {
    const create = () => sessions(HOSTED).create({ user: 'mallory', workflow: { id: 'support' } })
    const { id } = await create()
    await revoke(scene.running, 'mallory', { block_seconds: 600 })
    const before = requests()
    const refused = await errorOf(create())
    expect([refused.status, refused.code]).toEqual([403, 'user_blocked'])
    expect(requests()).toBe(before)
    expect(await sessions(HOSTED).cancel(id)).toMatchObject({ status: 'cancelled' })
    expect((await callAdmin(scene.running, 'DELETE /users/mallory/block')).status).toBe(204)
    expect(await create()).toMatchObject({ status: 'active' })
  })

  test('the oldest session makes way at the cap, whoever made it', async () => {
    const workflow = { id: 'helpdesk' }
    const first = await sessions(DESK).create({ user: 'carol', workflow })
    const second = await sessions().create({ user: 'carol', workflow })
    const third = await sessions(DESK).create({ user: 'carol', workflow })
    const read = async (id: string) =>
      (await callAdmin(scene.running, `GET /sessions/${id}`)).json()['status']
    expect(await Promise.all([first.id, second.id, third.id].map(read))).toEqual([
      'cancelled',
      'active',
      'active',
    ])
    expect(await sessions(DESK).cancel(first.id)).toMatchObject({ status: 'cancelled' })
  })

  describe('another instance, or the same after a restart,', () => {
    const other = forAllTests(() => startBackend({ env: env(), limits: DENY }))
    const there = (key?: string) => other.client(key).beta.chatkit.sessions

    test('knows what was asked for, with every option', async () => {
      for (const options of [HOSTED_OPTIONS, EVERY_OPTION]) {
        const made = await sessions().create({ user: 'dave', ...options })
        expect(made).toMatchObject({ workflow: options.workflow, max_requests_per_1_minute: 30 })
        const cancelled = await there().cancel(made.id)
        expect(cancelled).toEqual({ ...made, status: 'cancelled', client_secret: '' })
      }
    })

    test('counts the sessions and the creates of both', async () => {
      const params = { user: 'erin', workflow: { id: 'helpdesk' } }
      const made = []
      for (const _time of [1, 2]) made.push(await sessions().create(params))
      const full = await errorOf(there().create(params))
      expect([full.status, full.code]).toEqual([429, 'session_limit'])
      for (const { id } of made) await there(DESK).cancel(id)
      expect(await there().create(params)).toMatchObject({ status: 'active' })
      const over = await errorOf(there().create(params))
      expect([over.status, over.code]).toEqual([429, 'rate_limit_exceeded'])
    })
  })
})
