import express from 'express'
import OpenAI from 'openai'
import { settings } from './settings.ts'
import { verifiedSubject } from './verify.ts'

// The first version that most people would write with Express: jose and the official SDK.

const openai = new OpenAI({ apiKey: settings.apiKey, baseURL: settings.baseUrl })
const app = express()
app.use(express.json())

app.post('/v1/sessions', async (request, response) => {
  const token = request.headers.authorization?.replace(/^Bearer /, '') ?? ''
  const user = await verifiedSubject(token).catch(() => undefined)
  if (user === undefined) {
    response.status(401).json({ error: 'invalid token' })
    return
  }
  const session = await openai.beta.chatkit.sessions.create({ workflow: { id: 'wf_bench' }, user })
  response.json({ client_secret: session.client_secret })
})

app.listen(settings.port, '127.0.0.1')
