import { readdirSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { DEFAULT_WORD_MS } from '../../src/embedded/chatkit-server/server.ts'
import { createDemoPage } from '../../src/embedded/demo-page/demo-page.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { startService } from '../support/running-service.ts'

const URL_OF_PAGE = 'http://localhost:8787'
const ASSETS = resolve(import.meta.dirname, '../../src/embedded/demo-page/assets')

function scene() {
  const callAsAdmin = vi.fn(async () => Response.json({ user: 'alice' }))
  const page = createDemoPage({
    url: URL_OF_PAGE,
    issuer: 'http://127.0.0.1:8788',
    clientId: 'demo-page',
    workflows: { support: { id: 'wf_demo_support' } },
    traceOf: (id) =>
      id === 'req_1' ? { workflow: 'support', reason: undefined, sent: undefined } : undefined,
    callAsAdmin,
  })
  const ask = (path: string, init: RequestInit = {}) =>
    page.request(URL_OF_PAGE + path, {
      ...init,
      headers: { Host: 'localhost:8787', ...init.headers },
    })
  return { ask, callAsAdmin }
}

const post = (headers: Record<string, string>, body = '{"user":"a/b"}') => ({
  method: 'POST',
  body,
  headers,
})
const OWN = { Origin: URL_OF_PAGE }

describe('the page and what it loads', () => {
  test('every asset is served, under a policy without inline script or style', async () => {
    const { ask } = scene()
    const names = readdirSync(ASSETS).filter((name) => name !== 'demo.html')
    expect(names.length).toBeGreaterThan(5)
    for (const path of ['/demo', ...names.map((name) => `/demo/assets/${name}`)]) {
      const answer = await ask(path)
      expect({ path, status: answer.status }).toEqual({ path, status: 200 })
      const policy = answer.headers.get('content-security-policy')
      expect(policy).toContain("default-src 'none'")
      expect(policy).not.toMatch(/unsafe|\*|data:/)
      expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
      expect(answer.headers.get('cache-control')).toBe('no-store')
      expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
      expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
      expect(answer.headers.get('content-type')).toMatch(/^(?:text\/(?:html|css|javascript)|image)/)
    }
  })

  test('the answer during which it says to revoke lasts long enough to do so', async () => {
    const page = await (await scene().ask('/demo')).text()
    const words = Number(/<code>count to (\d+)<\/code>, and revoke meanwhile/.exec(page)?.[1])
    expect(words * DEFAULT_WORD_MS).toBeGreaterThan(5000)
  })

  test.each(['/demo/assets/..%2fdemo-page.ts', '/demo/assets/demo-page.ts', '/demo/other'])(
    'nothing else is: %s',
    async (path) => {
      expect((await scene().ask(path)).status).toBe(404)
    },
  )

  test('the settings and the trace of a request', async () => {
    const { ask } = scene()
    expect(await (await ask('/demo/settings.json')).json()).toEqual({
      issuer: 'http://127.0.0.1:8788',
      client_id: 'demo-page',
      workflows: { support: { id: 'wf_demo_support' } },
    })
    expect(await (await ask('/demo/mints/req_1')).json()).toEqual({ workflow: 'support' })
    expect((await ask('/demo/mints/req_2')).status).toBe(404)
  })

  test.each(['127.0.0.1:8787', 'evil.example:8787'])(
    'asked for as %s, it sends to its own name',
    async (Host) => {
      const { ask, callAsAdmin } = scene()
      const answer = await ask('/demo', { headers: { Host } })
      expect([answer.status, answer.headers.get('location')]).toEqual([302, `${URL_OF_PAGE}/demo`])
      expect((await ask('/demo/as-ada/revoke', post({ Host, ...OWN }))).status).toBe(302)
      expect(callAsAdmin).not.toHaveBeenCalled()
    },
  )
})

describe('acting as ada', () => {
  test('revokes for an hour, lifts the block, and hands the answer on', async () => {
    const { ask, callAsAdmin } = scene()
    const revoked = await ask('/demo/as-ada/revoke', post(OWN))
    expect([revoked.status, await revoked.json()]).toEqual([200, { user: 'alice' }])
    callAsAdmin.mockResolvedValueOnce(new Response(null, { status: 204 }))
    expect((await ask('/demo/as-ada/unblock', post(OWN))).status).toBe(204)
    expect(callAsAdmin.mock.calls).toEqual([
      ['POST', '/users/a%2Fb/revoke', { block_seconds: 3600 }],
      ['DELETE', '/users/a%2Fb/block'],
    ])
  })

  test.each([
    ['no Origin', {}],
    ['another Origin', { Origin: 'https://evil.example' }],
    ['the Origin null', { Origin: 'null' }],
    ['another port', { Origin: 'http://localhost:3000' }],
  ])('is refused for a request with %s', async (_, headers) => {
    const { ask, callAsAdmin } = scene()
    for (const action of ['revoke', 'unblock']) {
      expect((await ask(`/demo/as-ada/${action}`, post(headers))).status).toBe(403)
    }
    expect(callAsAdmin).not.toHaveBeenCalled()
  })

  test.each(['', '{', '{}', '{"user":""}', '{"user":5}', '[]'])(
    'is refused for the body %j',
    async (body) => {
      const { ask, callAsAdmin } = scene()
      expect((await ask('/demo/as-ada/revoke', post(OWN, body))).status).toBe(400)
      expect(callAsAdmin).not.toHaveBeenCalled()
    },
  )
})

test('the real service has no such page', async () => {
  const running = await startService()
  for (const path of ['/demo', '/demo/settings.json', '/demo/assets/page.js']) {
    expectProblem(await answerOf(await fetch(running.url + path)), 404, 'not_found')
  }
})
