import OpenAI from 'openai'
import { beforeEach, describe, expect, it } from 'vitest'
import { startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { officialClient } from '../support/chatkit/sdk.ts'
import { forEachTest } from '../support/started.ts'

const NOW = 1_760_000_000
let seconds: number
let chatkit: OpenAI['beta']['chatkit']
const running = forEachTest(() => startChatKitApi({ port: 0, now: () => seconds * 1000 }))
beforeEach(() => {
  seconds = NOW
  chatkit = officialClient(running.url).beta.chatkit
})

describe('sessions, by the official client', () => {
  it('gives each session its own id and secret, and accepts the version "latest"', async () => {
    const params = { user: 'alice', workflow: { id: 'wf_1', version: 'latest' } }
    const one = await chatkit.sessions.create(params)
    const two = await chatkit.sessions.create(params)
    expect(one.workflow.version).toBe('latest')
    expect(two.id).not.toBe(one.id)
    expect(two.client_secret).not.toBe(one.client_secret)
  })

  it('expires one by the clock, and a cancel does not change that', async () => {
    const session = await chatkit.sessions.create({ user: 'alice', workflow: { id: 'wf_1' } })
    seconds = session.expires_at - 1
    expect(running.api.sessions()).toMatchObject([{ status: 'active' }])
    seconds = session.expires_at
    expect(running.api.sessions()).toMatchObject([{ status: 'expired' }])
    expect(await chatkit.sessions.cancel(session.id)).toEqual({ ...session, status: 'expired' })
  })

  it('forgets sessions an hour after their expiry', async () => {
    const old = await chatkit.sessions.create({ user: 'alice', workflow: { id: 'wf_1' } })
    seconds = old.expires_at + 3599
    const kept = await chatkit.sessions.create({ user: 'alice', workflow: { id: 'wf_1' } })
    expect(running.api.sessions().map(({ id }) => id)).toEqual([old.id, kept.id])
    seconds += 61
    const latest = await chatkit.sessions.create({ user: 'alice', workflow: { id: 'wf_1' } })
    expect(running.api.sessions().map(({ id }) => id)).toEqual([kept.id, latest.id])
    await expect(chatkit.sessions.cancel(old.id)).rejects.toBeInstanceOf(OpenAI.NotFoundError)
  })
})

describe("the official client's error classes", () => {
  it('AuthenticationError is thrown for another key, which it does not quote', async () => {
    const call = officialClient(running.url, 'pk-wrong-secret-9876').beta.chatkit.threads.list()
    const error = await call.then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(OpenAI.AuthenticationError)
    expect(error).toMatchObject({ code: 'invalid_api_key', type: 'invalid_request_error' })
    expect(String(error)).not.toContain('wrong-secret')
  })
})
