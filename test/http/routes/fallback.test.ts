import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import { mintWith } from '../../support/admin-calls.ts'
import { PUBLIC_URL, sidOf } from '../../support/chatkit/self-hosted.ts'
import { answerOf, expectProblem } from '../../support/problem-answer.ts'
import {
  DEFAULT_CONFIG,
  type Running,
  startService,
  tokenFor,
} from '../../support/running-service.ts'

// The hosted workflow falls back to a self-hosted one, which takes less input and not everybody.
const config = (when = "'true'") =>
  DEFAULT_CONFIG.replace(
    '    id: wf_support\n',
    `    id: wf_support
    fallback: helpdesk
    input:
      page: { type: string, required: false }
      hosted_only: { type: string, required: false }
  helpdesk:
    server: http://127.0.0.1:9/chatkit
    when: ${when}
    input:
      page: { type: string, required: false }
    state_variables:
      page: 'has(input.page) ? input.page : "none"'
      seen: 'has(input.hosted_only) ? "yes" : "no"'
`,
  )

let running: Running

const GONE = { error: { message: 'gone', type: 'invalid_request_error' } }

async function start(when?: string): Promise<void> {
  running = await startService({ config: config(when), env: { PUBLIC_URL } })
}

const mint = (body?: unknown, claims = {}) => mintWith(running, tokenFor('alice', claims), body)
const creates = () => running.upstream.requests().filter(({ path }) => path.endsWith('/sessions'))

describe('when OpenAI no longer has the workflow', () => {
  test.each([404, 410])('%i: the mint is for the fallback, with no more to see', async (status) => {
    await start()
    running.upstream.setFaults({ status, body: GONE })
    const response = await mint()
    expect(response.status).toBe(200)
    const body = JSON.parse(await response.text())
    expect(Object.keys(body)).toEqual(['client_secret'])
    const claims = decodeJwt(body.client_secret)
    expect(claims).toMatchObject({ iss: PUBLIC_URL, aud: 'chatkit:helpdesk', sub: 'alice' })
    expect(creates()).toHaveLength(1)
    const line = running.log.find(({ session }) => session === sidOf(body.client_secret))
    expect(line).toMatchObject({ workflow: 'helpdesk', status: 200 })
  })

  test('a workflow that OpenAI still has is used, and no fallback', async () => {
    await start()
    const { client_secret } = JSON.parse(await (await mint()).text())
    expect(client_secret).toMatch(/^ek_/)
  })

  test('only input that the fallback declares goes along', async () => {
    const more = `
admins: { when: '"chatkit-admin" in claims.roles' }
`
    running = await startService({ config: config() + more, env: { PUBLIC_URL } })
    running.upstream.setFaults({ status: 404, body: GONE })
    const response = await mint({ input: { page: '/prices', hosted_only: 'x' } })
    expect(response.status).toBe(200)
    const { client_secret } = JSON.parse(await response.text())
    const seen = await fetch(`${running.url}/v1/introspect`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokenFor('ada', { roles: ['chatkit-admin'] })}` },
      body: new URLSearchParams({ token: client_secret }),
    })
    expect(await seen.json()).toMatchObject({ state: { page: '/prices', seen: 'no' } })
  })

  test('a caller who may not use the fallback gets the first answer', async () => {
    await start(`'claims.plan == "pro"'`)
    running.upstream.setFaults({ status: 404, body: GONE })
    expectProblem(await answerOf(await mint()), 502, 'workflow_unavailable')
    expectProblem(await answerOf(await mint({}, { plan: 'free' })), 502, 'workflow_unavailable')
    expect((await mint({}, { plan: 'pro' })).status).toBe(200)
  })

  test('without a fallback the mint is answered with 502 workflow_unavailable', async () => {
    running = await startService()
    running.upstream.setFaults({ status: 404, body: GONE })
    expectProblem(await answerOf(await mint()), 502, 'workflow_unavailable')
  })
})

describe('every other failure stays what it is', () => {
  test.each([
    [400, 502, 'upstream_rejected'],
    [401, 502, 'upstream_auth_failed'],
    [403, 502, 'upstream_auth_failed'],
    [429, 503, 'upstream_rate_limited'],
    [500, 503, 'upstream_unavailable'],
  ] as const)('%i', async (status, answered, code) => {
    await start()
    running.upstream.setFaults({ status, body: GONE })
    expectProblem(await answerOf(await mint()), answered, code)
  })
})

test('a fallback by name is checked first: who asks for it and may not use it is refused', async () => {
  await start(`'claims.plan == "pro"'`)
  expectProblem(await answerOf(await mint({ workflow: 'helpdesk' })), 403, 'workflow_not_allowed')
  expect(creates()).toEqual([])
})
