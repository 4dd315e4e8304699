import { Hono } from 'hono'
import { expect, onTestFinished, test } from 'vitest'
import type { AppEnv } from '../../../src/http/context.ts'
import { listen } from '../../../src/http/server/server.ts'
import { createLog } from '../../../src/lib/log.ts'
import { openRaw } from '../../support/raw-http.ts'

// RFC 9112 §3.2.2: a server accepts a URL as target, and takes the host from it.

test.each([
  ['HTTP/1.1', 'http://mint.test:1/a/b?c=d', 'mint.test:1 mint.test:1 /a/b?c=d'],
  ['HTTP/1.1', 'http://mint.test', 'mint.test mint.test /'],
  ['HTTP/1.1', 'http://mint.test?c', 'mint.test mint.test /?c'],
  ['HTTP/1.0', 'http://mint.test/a', 'undefined mint.test /a'],
])(
  'the app sees host and path of a target that is a URL: %s, %s',
  async (version, target, seen) => {
    const app = new Hono<AppEnv>()
    app.get('*', (c) => {
      const { host, pathname, search } = new URL(c.req.url)
      return c.text(`${c.req.header('host')} ${host} ${pathname}${search}`)
    })
    const log = createLog({ level: 'silent' })
    const listening = await listen({ app, log, host: '127.0.0.1', port: 0 })
    const connection = await openRaw(listening.url)
    onTestFinished(async () => {
      connection.destroy()
      await listening.stop(0)
    })
    const received = version === 'HTTP/1.1' ? 'X: host\r\nHost: other.test\r\n' : ''
    connection.send(`GET ${target} ${version}\r\n${received}\r\n`)
    const { body } = await connection.next()
    expect(body).toBe(seen)
  },
)
