import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import { flood } from '../network/listen.ts'

export type Behaviour =
  /** As the reference has it; `changes` replace members of the session. At once, or after `ms`. */
  | {
      readonly kind: 'ok'
      readonly changes?: Readonly<Record<string, unknown>>
      readonly ms?: number
    }
  /** This, whatever was asked. Text goes out as it stands, anything else as JSON. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly body?: unknown
      readonly headers?: Readonly<Record<string, string>>
    }
  /** No answer at all. */
  | { readonly kind: 'hang' }
  /** Status, headers and half a body, then nothing. */
  | { readonly kind: 'stall' }
  /** The connection is cut before an answer. */
  | { readonly kind: 'reset' }
  /** The connection is cut in the middle of a session. */
  | { readonly kind: 'cut' }
  /** Bytes that are no HTTP. */
  | { readonly kind: 'garbage'; readonly text: string }
  /** A body of this many bytes, sent as fast as it is read. */
  | { readonly kind: 'flood'; readonly bytes: number }

type Operation = 'create' | 'cancel' | 'other'

export interface SeenRequest {
  readonly operation: Operation
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
  /** Counts connections from 1. */
  readonly connection: number
  /** `performance.now()`. */
  readonly at: number
  /** Set when the connection ends before the answer does. */
  aborted: boolean
}

/** A session of `user`, as every answer has it. */
export function sessionOf(user: string, id: string): Record<string, unknown> {
  return {
    id,
    object: 'chatkit.session',
    status: 'active',
    user,
    client_secret: `ek_planted_secret_${id}`,
    expires_at: Math.floor(Date.now() / 1000) + 600,
    max_requests_per_1_minute: 10,
    rate_limits: { max_requests_per_1_minute: 10 },
    workflow: { id: 'wf_1', version: null, state_variables: null, tracing: { enabled: false } },
    chatkit_configuration: {
      automatic_thread_titling: { enabled: true },
      file_upload: { enabled: false, max_file_size: 512, max_files: 10 },
      history: { enabled: true, recent_threads: null },
    },
  }
}

const PLANS = { create: 'creates', cancel: 'cancels', other: 'others' } as const

export type ScriptedUpstream = Awaited<ReturnType<typeof startScriptedUpstream>>

/**
 * A ChatKit API on loopback that does what a test tells it to, down to the connection.
 *
 * @param port - 0 for a free one
 */
export async function startScriptedUpstream(port = 0) {
  const sockets = new Map<Socket, number>()
  let connections = 0
  const server = createServer((request, response) => void answer(request, response))
  server.on('connection', (socket: Socket) => {
    sockets.set(socket, ++connections)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  })
  const { origin, close } = await listenOnLoopback(server, port)

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const connection = sockets.get(request.socket) ?? 0
    const seen = await readRequest(request, connection)
    upstream.seen.push(seen)
    response.on('close', () => {
      seen.aborted = !response.writableFinished
    })
    upstream.onRequest?.(seen)
    const plan = upstream[PLANS[seen.operation]]
    const behaviour = (plan.length > 1 ? plan.shift() : plan[0]) ?? { kind: 'ok' }
    behave(behaviour, { seen, response, number: upstream.seen.length, upstream })
  }

  const of = (operation: Operation): readonly SeenRequest[] =>
    upstream.seen.filter((seen) => seen.operation === operation)
  const upstream = {
    /** For `OPENAI_BASE_URL`. */
    url: `${origin}/v1`,
    seen: [] as SeenRequest[],
    /** Bytes of the flood that were sent. */
    flooded: 0,
    /** Behaviours for the next creates; the last entry stays. */
    creates: [] as Behaviour[],
    cancels: [] as Behaviour[],
    /** For thread calls and all others. */
    others: [] as Behaviour[],
    /** Called when a request has arrived, before it is answered. */
    onRequest: undefined as ((seen: SeenRequest) => void) | undefined,
    creations: () => of('create'),
    cancellations: () => of('cancel'),
    connections: () => connections,
    openConnections: () => sockets.size,
    close,
  }
  return upstream
}

async function readRequest(request: IncomingMessage, connection: number): Promise<SeenRequest> {
  const { method = '', url: path = '', headers } = request
  const at = performance.now()
  const body = await text(request)
  return {
    operation: operationOf(path),
    method,
    path,
    headers,
    body,
    connection,
    at,
    aborted: false,
  }
}

function operationOf(path: string): Operation {
  if (path.endsWith('/chatkit/sessions')) return 'create'
  return path.endsWith('/cancel') ? 'cancel' : 'other'
}

interface Scene {
  readonly seen: SeenRequest
  readonly response: ServerResponse
  readonly number: number
  readonly upstream: ScriptedUpstream
}

function behave(behaviour: Behaviour, scene: Scene): void {
  const { response } = scene
  switch (behaviour.kind) {
    case 'ok':
      sendUsual(behaviour, scene)
      break
    case 'answer':
      send(response, behaviour)
      break
    case 'hang':
      break
    case 'stall':
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{"id":')
      break
    case 'reset':
      response.socket?.resetAndDestroy()
      break
    case 'cut':
      cut(scene)
      break
    case 'garbage':
      response.socket?.end(behaviour.text)
      break
    case 'flood':
      response.setHeader('content-type', 'application/json')
      flood(response, behaviour.bytes, (bytes) => {
        scene.upstream.flooded += bytes
      })
      break
  }
}

function usualSession({ seen, number }: Scene): Record<string, unknown> {
  if (seen.operation === 'create') {
    return sessionOf(String(JSON.parse(seen.body).user), `cksess_${number}`)
  }
  const id = seen.path.split('/').at(-2) ?? ''
  return { ...sessionOf('someone', id), status: 'cancelled' }
}

function send(response: ServerResponse, answer: Extract<Behaviour, { kind: 'answer' }>): void {
  const { status, body = {}, headers } = answer
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(typeof body === 'string' ? body : JSON.stringify(body))
}

function sendUsual(behaviour: Extract<Behaviour, { kind: 'ok' }>, scene: Scene): void {
  const body = { ...usualSession(scene), ...behaviour.changes }
  if (behaviour.ms === undefined) sendJson(scene.response, body)
  else setTimeout(() => sendJson(scene.response, body), behaviour.ms)
}

function sendJson(response: ServerResponse, body: unknown): void {
  send(response, { kind: 'answer', status: 200, body })
}

function cut(scene: Scene): void {
  const whole = JSON.stringify(usualSession(scene))
  scene.response.writeHead(200, { 'content-length': whole.length })
  scene.response.write(whole.slice(0, -40), () => scene.response.socket?.destroy())
}
