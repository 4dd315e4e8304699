import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeEach, describe, expect, test } from 'vitest'
import { tracingSettings } from '../../src/config/tracing.ts'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { freePort, serve } from '../support/network/listen.ts'
import { DEFAULT_CONFIG, tokenFor } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { type ServiceProcess, startServiceProcess } from '../support/service-process.ts'
import { forEachTest } from '../support/started.ts'

const KEY = 'sk-proj-traced-0123456789abcdef'
const TRACE = '0af7651916cd43dd8448eb211c80319c'

/** `STATUS_CODE_ERROR` of OTLP. */
const ERROR = 2

interface Span {
  readonly name: string
  readonly kind: number
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly links?: readonly { readonly traceId: string }[]
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly status: { readonly code?: number }
  readonly attributes: readonly { readonly key: string; readonly value: object }[]
}

const bodies: string[] = []
let directory: string

const upstream = forEachTest(() => startWatchedUpstream())
const collector = forEachTest(() =>
  serve(async (request, response) => {
    bodies.push(await text(request))
    response.setHeader('content-type', 'application/json').end('{}')
  }),
)
beforeEach(() => {
  bodies.length = 0
  directory = scratchFolder()
})

function start(env: Record<string, string>, nodeArguments: readonly string[] = []) {
  return startServiceProcess({
    config: DEFAULT_CONFIG,
    nodeArguments,
    env: {
      OPENAI_API_KEY: KEY,
      OPENAI_BASE_URL: upstream.url,
      TEST_SHARED_SECRET: 'a shared secret of at least thirty-two bytes',
      ...env,
    },
  })
}

function collectorAddress(): Record<string, string> {
  return { OTEL_EXPORTER_OTLP_ENDPOINT: collector.origin, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }
}

async function mint(url: string, token: string): Promise<Response> {
  const headers = {
    authorization: `Bearer ${token}`,
    traceparent: `00-${TRACE}-b7ad6b7169203331-01`,
  }
  return fetch(`${url}/v1/sessions`, { method: 'POST', headers })
}

function spans(): Span[] {
  return bodies
    .flatMap((body) => JSON.parse(body).resourceSpans)
    .flatMap((resource) => resource.scopeSpans)
    .flatMap((scope) => scope.spans)
}

async function stop({ child, exited }: ServiceProcess): Promise<void> {
  child.kill('SIGTERM')
  expect(await exited).toEqual({ code: 0, signal: null })
}

describe('with the standard OTEL_* variables', () => {
  test('a mint is a span with its upstream call below it, exported before the process ends', async () => {
    const running = await start({ ...collectorAddress(), OTEL_SERVICE_NAME: 'chat-mint' })
    const token = tokenFor('traced-user')
    const answer = await mint(running.url, token)
    const { client_secret: secret } = (await answer.json()) as { client_secret: string }
    const requestId = answer.headers.get('x-request-id')
    await stop(running)

    const request = spans().find(({ name }) => name === 'POST /v1/sessions')
    const call = spans().find(({ name }) => name === 'create_session')
    expect(request).toMatchObject({ kind: 2, links: [{ traceId: TRACE }] })
    expect(request?.traceId).not.toBe(TRACE)
    expect(request?.parentSpanId).toBeUndefined()
    expect(request?.attributes).toContainEqual({
      key: 'http.response.status_code',
      value: { intValue: 200 },
    })
    expect(request?.attributes).toContainEqual({
      key: 'chatkit_mint.request_id',
      value: { stringValue: requestId },
    })
    expect(call).toMatchObject({
      kind: 3,
      traceId: request?.traceId,
      parentSpanId: request?.spanId,
    })
    expect(BigInt(call?.startTimeUnixNano ?? 0)).toBeGreaterThanOrEqual(
      BigInt(request?.startTimeUnixNano ?? 0) - 1_000_000n,
    )
    expect(bodies.join()).toContain('chat-mint')
    for (const private_ of [secret, token, KEY, 'traced-user']) {
      expect(bodies.join()).not.toContain(private_)
    }
  })

  test('a refusal says its code, and is no error', async () => {
    const running = await start(collectorAddress())
    await (await mint(running.url, 'not-a-token')).arrayBuffer()
    await stop(running)
    expect(spans()[0]?.attributes).toContainEqual({
      key: 'error.type',
      value: { stringValue: 'invalid_token' },
    })
    expect(spans()[0]?.status).not.toHaveProperty('code', ERROR)
  })

  test.each(['answered', 'not answered'])(
    'a call of the API that failed, %s, is an error of both spans, which last as long as it',
    async (kind) => {
      upstream.instead = async (_request, { outgoing }) => {
        await new Promise((resolve) => setTimeout(resolve, 60))
        if (kind === 'not answered') outgoing.destroy()
        return new Response('{}', { status: 400 })
      }
      const running = await start(collectorAddress())
      expect((await mint(running.url, tokenFor('traced-user'))).status).toBeGreaterThan(500)
      await stop(running)
      const seen = spans()
      expect(seen.map(({ name }) => name).sort()).toEqual(['POST /v1/sessions', 'create_session'])
      for (const { status, startTimeUnixNano: from, endTimeUnixNano: until } of seen) {
        expect(status.code).toBe(ERROR)
        expect(BigInt(until) - BigInt(from)).toBeGreaterThan(50_000_000n)
      }
    },
  )

  test('a collector that is away costs no mint, and does not hold up the end', async () => {
    const away = await freePort()
    const address = {
      ...collectorAddress(),
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${away}`,
    }
    const running = await start(address)
    expect((await mint(running.url, tokenFor('traced-user'))).status).toBe(200)
    await stop(running)
  })

  test('the log says once why traces are not exported, and mints go on', async () => {
    const running = await start({
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    })
    const warnings = () =>
      running.log().filter(({ msg }) => String(msg).startsWith('traces are not exported'))
    const minted = async () => (await mint(running.url, tokenFor('traced-user'))).status
    expect(await minted()).toBe(200)
    await expect.poll(warnings).toHaveLength(1)
    expect(warnings()[0]).toMatchObject({
      level: 40,
      cause: expect.stringContaining('Protocol "collector:" not supported'),
    })
    expect(await minted()).toBe(200)
    await stop(running)
    expect(warnings()).toHaveLength(1)
  })

  test('without the packages the log says what to install, and mints go on', async () => {
    const hook = join(directory, 'without.mjs')
    writeFileSync(hook, WITHOUT_PACKAGES)
    const running = await start(collectorAddress(), ['--import', hook])
    const line = running.log().find(({ level }) => level === 50)
    expect(line?.['msg']).toContain('npm install @opentelemetry/api @opentelemetry/sdk-node')
    expect((await mint(running.url, tokenFor('traced-user'))).status).toBe(200)
  })
})

describe('without them', () => {
  const OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:9'

  test.each([
    {},
    { OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT },
    { OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT },
  ])('no traces are wanted: %j', (variables) => {
    expect(tracingSettings(variables).wanted).toBe(false)
  })

  test('nothing of OpenTelemetry is loaded', async () => {
    const hook = join(directory, 'without.mjs')
    writeFileSync(hook, WITHOUT_PACKAGES)
    const env = { OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT }
    const running = await start(env, ['--import', hook])
    expect((await mint(running.url, tokenFor('traced-user'))).status).toBe(200)
    expect(running.log().filter(({ level }) => Number(level) >= 50)).toEqual([])
  })
})

/** As if nobody had installed the SDK; the API comes with prom-client. */
const WITHOUT_PACKAGES = `
import { registerHooks } from 'node:module'
registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith('@opentelemetry/sdk-node')) return next(specifier, context)
    throw Object.assign(new Error('Cannot find package ' + specifier), { code: 'ERR_MODULE_NOT_FOUND' })
  },
})
`
