import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { CREATE_HEADERS, createBody, settings } from './settings.ts'
import { verifiedSubject } from './verify.ts'

// The first version that most people would write with Hono: jose and the global fetch, without store, limits, log or CORS.

const app = new Hono()

app.post('/v1/sessions', async (c) => {
  const token = c.req.header('authorization')?.replace(/^Bearer /, '') ?? ''
  const user = await verifiedSubject(token).catch(() => undefined)
  if (user === undefined) return c.json({ error: 'invalid token' }, 401)
  const answer = await fetch(`${settings.baseUrl}/chatkit/sessions`, {
    method: 'POST',
    headers: CREATE_HEADERS,
    body: createBody(user),
  })
  if (!answer.ok) return c.json({ error: 'upstream' }, 502)
  const { client_secret } = (await answer.json()) as { client_secret: string }
  return c.json({ client_secret })
})

serve({ fetch: app.fetch, port: settings.port, hostname: '127.0.0.1' })
