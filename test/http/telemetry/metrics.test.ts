import { setTimeout } from 'node:timers/promises'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { AnswerSeen } from '../../../src/http/request-frame.ts'
import type { RouteDefinition } from '../../../src/http/route-definition.ts'
import { ROUTES } from '../../../src/http/route-table.ts'
import { createMetrics, type MetricSources } from '../../../src/http/telemetry/metrics.ts'
import { VERSION } from '../../../src/lib/version.ts'

const MINTED: AnswerSeen = {
  method: 'POST',
  route: '/v1/sessions',
  status: 200,
  code: undefined,
  milliseconds: 42,
  requestId: 'req_ours',
  traceparent: undefined,
  facts: {
    user: 'hash-of-alice',
    workflow: 'support',
    session: 'cksess_1',
    upstream: {
      operation: 'create_session',
      status: 200,
      requestId: 'req_1',
      milliseconds: 30,
      attempts: 1,
    },
  },
}

function scene(sources: Partial<MetricSources> = {}) {
  const metrics = createMetrics({
    figures: async () => ({ activeSessions: 3, outboxLength: 1 }),
    keyAges: () =>
      new Map([
        ['https://a.test/', 12],
        ['https://b.test/', undefined],
      ]),
    breakers: () => [{ key: 'OPENAI_API_KEY', breaker: 'mint', open: true }],
    mintsUnderWay: () => 7,
    ...sources,
  })
  const scrape = async () => {
    const answer = await metrics.app.request('/metrics')
    expect(answer.status).toBe(200)
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain/)
    return answer.text()
  }
  return { metrics, scrape }
}

describe('metrics', () => {
  test.each(['/', '/metrics/', '/livez'])(
    'GET %s there is 404 with problem details',
    async (path) => {
      const answer = await scene().metrics.app.request(path)
      expect(answer.headers.get('content-type')).toBe('application/problem+json')
      expect([answer.status, await answer.json()]).toMatchObject([404, { code: 'not_found' }])
    },
  )

  test('the answer has the headers of every answer, and other methods than GET and HEAD are 405', async () => {
    const { app } = scene().metrics
    const common = {
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'x-request-id': expect.stringMatching(/^req_/),
    }
    for (const method of ['GET', 'HEAD']) {
      const answer = await app.request('/metrics', { method })
      expect([answer.status, Object.fromEntries(answer.headers)]).toMatchObject([200, common])
    }
    const refused = await app.request('/metrics', { method: 'POST' })
    const headers = { ...common, allow: 'GET, HEAD' }
    expect([refused.status, Object.fromEntries(refused.headers)]).toMatchObject([405, headers])
    expect(await refused.json()).toMatchObject({ code: 'method_not_allowed' })
  })

  test('count answers by route, status and code, and calls of the API by operation', async () => {
    const { metrics, scrape } = scene()
    metrics.seen(MINTED)
    metrics.seen({ ...MINTED, status: 403, code: 'user_blocked', facts: {} })
    const text = await scrape()
    const line = (code: string, status: number) =>
      `chatkit_mint_requests_total{method="POST",route="/v1/sessions",status="${status}",code="${code}"} 1`
    expect(text).toContain(line('ok', 200))
    expect(text).toContain(line('user_blocked', 403))
    expect(text).toContain('chatkit_mint_request_seconds_count{route="/v1/sessions"} 2')
    expect(text).toContain('chatkit_mint_request_seconds_sum{route="/v1/sessions"} 0.084')
    expect(text).toContain(
      'chatkit_mint_upstream_seconds_count{operation="create_session",status="200"} 1',
    )
    expect(text).toContain('process_cpu_seconds_total')
  })

  test('count a call of the API that got no answer', async () => {
    const { metrics, scrape } = scene()
    const call = { operation: 'cancel_session', status: undefined, milliseconds: 8000 } as const
    metrics.seen({ ...MINTED, facts: { upstream: { ...call, requestId: undefined, attempts: 1 } } })
    const labels = 'operation="cancel_session",status="none"'
    expect(await scrape()).toContain(`chatkit_mint_upstream_seconds_sum{${labels}} 8\n`)
  })

  test('no longer show the age of keys that are gone, nor a breaker as open that is closed', async () => {
    let ages = new Map<string, number | undefined>([['https://a.test/', 12]])
    let open = true
    const lane = { key: 'OPENAI_API_KEY', breaker: 'mint' }
    const { scrape } = scene({ keyAges: () => ages, breakers: () => [{ ...lane, open }] })
    expect(await scrape()).toContain('https://a.test/')
    ages = new Map([['https://a.test/', undefined]])
    open = false
    const text = await scrape()
    expect(text).not.toContain('https://a.test/')
    expect(text).toContain('chatkit_mint_breaker_open{key="OPENAI_API_KEY",breaker="mint"} 0')
  })

  test('name no user, session or workflow, and no method that a client made up', async () => {
    const { metrics, scrape } = scene()
    metrics.seen({ ...MINTED, method: 'PROPFIND' })
    const text = await scrape()
    expect(text).not.toMatch(/alice|cksess|support|PROPFIND/)
    expect(text).toContain('method="other"')
  })

  test('name every method that a route takes', async () => {
    const { metrics, scrape } = scene()
    const methods = new Set(Object.values<RouteDefinition>(ROUTES).map(({ method }) => method))
    for (const method of methods) metrics.seen({ ...MINTED, method })
    const text = await scrape()
    for (const method of methods) expect(text).toContain(`method="${method}"`)
    expect(text).not.toContain('method="other"')
  })

  test('show live sessions, waiting cancels, ages of keys and open breakers', async () => {
    const text = await scene().scrape()
    expect(text).toContain('chatkit_mint_active_sessions 3')
    expect(text).toContain('chatkit_mint_outbox_length 1')
    expect(text).toContain('chatkit_mint_key_set_age_seconds{issuer="https://a.test/"} 12')
    expect(text).not.toContain('https://b.test/')
    expect(text).toContain('chatkit_mint_breaker_open{key="OPENAI_API_KEY",breaker="mint"} 1')
  })

  test('name the version of the service', async () => {
    expect(await scene().scrape()).toContain(`chatkit_mint_build_info{version="${VERSION}"} 1`)
  })

  test('show mints under way, those refused below the app, and connections turned away', async () => {
    const { metrics, scrape } = scene()
    expect(await scrape()).toContain('chatkit_mint_connections_turned_away_total 0')
    metrics.mintsRefused(40)
    metrics.mintsRefused(2)
    metrics.turnedAway(3)
    const text = await scrape()
    expect(text).toContain('chatkit_mint_mints_under_way 7')
    const labels = 'method="POST",route="/v1/sessions",status="503",code="overloaded"'
    expect(text).toContain(`chatkit_mint_requests_total{${labels}} 42`)
    expect(text).toContain('chatkit_mint_connections_turned_away_total 3')
  })

  /** A store that counts how often it was asked, and needs so many milliseconds to answer. */
  function countingStore(milliseconds: number) {
    const store = { asked: 0 }
    const figures = async () => {
      store.asked++
      await setTimeout(milliseconds)
      return { activeSessions: store.asked, outboxLength: 0 }
    }
    return { store, ...scene({ figures }) }
  }

  test('ask a quick store once for both gauges, and again for a later scrape', async () => {
    const { store, scrape } = countingStore(1)
    expect(await scrape()).toContain('chatkit_mint_active_sessions 1')
    expect(store.asked).toBe(1)
    await expect.poll(scrape, { timeout: 5000 }).toContain('chatkit_mint_active_sessions 2')
  })

  test('do not ask a slow store at each scrape', async () => {
    const { store, scrape } = countingStore(200)
    await scrape()
    expect(await scrape()).toContain('chatkit_mint_active_sessions 1')
    expect(store.asked).toBe(1)
  })

  test('are at most ten seconds old, however slow the store is', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    let asked = 0
    const figures = async () => {
      vi.advanceTimersByTime(1_000)
      return { activeSessions: ++asked, outboxLength: 0 }
    }
    const { metrics } = scene({ figures })
    const seen = async () => (await metrics.snapshot()).activeSessions
    expect(await seen()).toBe(1)
    vi.advanceTimersByTime(9_999)
    expect(await seen()).toBe(1)
    vi.advanceTimersByTime(1)
    expect(await seen()).toBe(2)
  })

  test('go on without a store, and ask it again', async () => {
    let down = true
    const { scrape } = scene({
      figures: async () => {
        if (down) throw new Error('down')
        return { activeSessions: 5, outboxLength: 0 }
      },
    })
    const text = await scrape()
    expect(text).toContain('chatkit_mint_active_sessions Nan')
    expect(text).toContain('chatkit_mint_outbox_length Nan')
    down = false
    expect(await scrape()).toContain('chatkit_mint_active_sessions 5')
  })
})
