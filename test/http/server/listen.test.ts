import { Hono } from 'hono'
import { expect, onTestFinished, test } from 'vitest'
import type { AppEnv } from '../../../src/http/context.ts'
import { listen, listenProblem } from '../../../src/http/server/server.ts'
import { createLog } from '../../../src/lib/log.ts'

test.each([
  ['0.0.0.0', 'localhost'],
  ['127.0.0.1', '127.0.0.1'],
])('a server that listens on %s names a URL that a browser can open: %s', async (host, shown) => {
  const app = new Hono<AppEnv>()
  app.get('/', (c) => c.text('here'))
  const log = createLog({ level: 'silent' })
  const { url, stop } = await listen({ app, log, host, port: 0 })
  onTestFinished(() => stop(0))
  expect(new URL(url).hostname).toBe(shown)
  expect(await (await fetch(url)).text()).toBe('here')
})

const address = { host: 'PORT.test', port: 9091 }
const failure = (code: string) => Object.assign(new Error('listen'), { code })

test.each([
  ['EADDRINUSE', 'stop what uses it, or set METRICS_PORT'],
  ['EACCES', 'ports below 1024 need a privilege: set METRICS_PORT'],
  ['EMFILE', 'raise the limit on open files (ulimit -n)'],
  ['EADDRNOTAVAIL', 'METRICS_HOST is not an address of this machine'],
  ['ENOTFOUND', 'METRICS_HOST has no address'],
])('for the metrics, the advice about %s names their own variables', (code, advice) => {
  const problem = listenProblem(address, failure(code), 'METRICS_')
  expect(problem).toContain(`cannot listen on PORT.test:9091 (${code}); ${advice}`)
})
