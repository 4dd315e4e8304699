import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { onTestFinished } from 'vitest'
import { listenOnLoopback } from '../../src/embedded/kit/listen.ts'
import { eventsOf, input, type Json } from '../support/chatkit/server-client.ts'
import { userId } from '../support/ids.ts'
import { ISSUER, type SceneOptions, WORKFLOW } from './scene.ts'
import { start } from './scripted-server.ts'

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A server whose ChatKit answers and files the test sets, behind a gateway, and a session of alice. */
export async function startFiles(options: SceneOptions = {}) {
  let json: unknown = {}
  let frames = ''
  let file: Answer = (_request, response) => response.writeHead(404).end()
  const seen: { method: string; url: string; headers: IncomingMessage['headers']; body: string }[] =
    []
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    const body = await text(request)
    seen.push({ method, url, headers, body })
    if (url !== '/chatkit') return file(request, response)
    if (!body.includes('"threads.create"')) {
      return response.setHeader('content-type', 'application/json').end(JSON.stringify(json))
    }
    response.setHeader('content-type', 'text/event-stream').end(frames)
  })
  const { origin, close } = await listenOnLoopback(server)
  onTestFinished(close)
  const at = await start({ ...options, server: `${origin}/chatkit` })
  const own = {
    source: WORKFLOW,
    workflow: WORKFLOW,
    kind: 'thread',
    id: 'thr_1',
    createdAt: 1,
  } as const
  await at.scene.registry.claimOwnership({ ...own, user: userId('alice') })

  /** The server's answer to a request of a type, as the client gets it. */
  async function answered(
    answer: unknown,
    [type, params]: readonly [string, unknown] = ['threads.get_by_id', { thread_id: 'thr_1' }],
  ): Promise<Json> {
    json = answer
    const response = await at.alice([type, params])
    if (response.status !== 200) throw new Error(`${response.status} ${await response.text()}`)
    return (await response.json()) as Json
  }
  async function streamed(...events: readonly object[]): Promise<Json[]> {
    frames = events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join('')
    return eventsOf(await at.alice(['threads.create', { input: input('hi') }]))
  }
  const reachable = (link: string) => link.replace(ISSUER, at.scene.origin)
  /** The link that replaces the address of a picture at the server. */
  async function linkTo(path: string): Promise<string> {
    const image = { id: 'img_1', url: `${origin}${path}` }
    const item = { id: 'i', thread_id: 'thr_1', created_at: 1, type: 'generated_image', image }
    const page = { data: [item], has_more: false }
    const { data } = await answered(page, ['items.list', { thread_id: 'thr_1' }])
    return reachable((data as { image: { url: string } }[])[0]?.image.url ?? '')
  }
  return {
    ...at,
    origin,
    seen,
    answered,
    streamed,
    linkTo,
    reachable,
    serve: (answer: Answer) => {
      file = answer
    },
    /** Sets the server's answer to every later request. */
    answer: (value: unknown) => {
      json = value
    },
    raw: (text: string) => {
      frames = text
    },
  }
}

/** Answers a file with these bytes. */
export const bytes =
  (type: string, body: string, headers: Record<string, string> = {}): Answer =>
  (_request, response) =>
    response.writeHead(200, { 'content-type': type, ...headers }).end(body)
