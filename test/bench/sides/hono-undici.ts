import { flushCompileCache } from 'node:module'
import { setTimeout } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { Pool } from 'undici'
import { CREATE_HEADERS, createBody, settings } from './settings.ts'
import { verifiedSubject } from './verify.ts'

// The least server that is made of the libraries of ours, to compare its start: Hono, jose and undici. It is started
// with check-node.js, as ours is, and keeps its compiled code for the next start as ours does.

const { origin, pathname } = new URL(settings.baseUrl)
const pool = new Pool(origin)
const app = new Hono()

app.post('/v1/sessions', async (c) => {
  const token = c.req.header('authorization')?.replace(/^Bearer /, '') ?? ''
  const user = await verifiedSubject(token).catch(() => undefined)
  if (user === undefined) return c.json({ error: 'invalid token' }, 401)
  const answer = await pool.request({
    method: 'POST',
    path: `${pathname}/chatkit/sessions`,
    headers: CREATE_HEADERS,
    body: createBody(user),
  })
  const { client_secret } = (await answer.body.json()) as { client_secret: string }
  return c.json({ client_secret })
})

serve({ fetch: app.fetch, port: settings.port, hostname: '127.0.0.1' })
await setTimeout(1000, undefined, { ref: false })
flushCompileCache()
