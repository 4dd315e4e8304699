import { Hono } from 'hono'
import { expect, onTestFinished, test } from 'vitest'
import type { AppEnv } from '../../../src/http/context.ts'
import { listen } from '../../../src/http/server/server.ts'
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
