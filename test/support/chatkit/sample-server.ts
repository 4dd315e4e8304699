import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import { createAdaptorServer, type HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono } from 'hono'
import { type Faults, faultyAnswer } from '../../../src/embedded/chatkit-api/faults.ts'
import { createChatKitServer } from '../../../src/embedded/chatkit-server/server.ts'
import { createSampleStore, type SampleThread } from '../../../src/embedded/chatkit-server/store.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import type { Clock } from '../../../src/lib/clock.ts'
import { isObject, jsonOrUndefined } from '../../../src/lib/json.ts'

/** How the sample server misbehaves; an empty object is good behaviour. */
export interface SampleFaults extends Pick<Faults, 'status' | 'body' | 'times'> {
  /** The connection is cut without an answer. */
  readonly down?: boolean
  /** No answer comes. */
  readonly hang?: boolean
  /** Milliseconds by which the answer is delayed, after the request has been carried out. */
  readonly latency_ms?: number
}

/** A request that arrived at the sample server. */
export interface SampleRequest {
  readonly method: string
  /** Still percent-encoded. */
  readonly path: string
  /** All headers, names in lower case, credentials included. */
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: number
  /** Text of the body; null when it is not JSON by its type. */
  readonly body: string | null
  /** Members of the request; undefined when the body is none. */
  readonly type: unknown
  readonly params: unknown
  /** Whether the client left before it had the whole answer. */
  left: boolean
}

export type SampleServer = Awaited<ReturnType<typeof startSampleServer>>

/** The sample ChatKit server, which a test can fill, which shows its requests, and misbehaves when a test says so. */
export async function startSampleServer({
  wordMs = 0,
  now = Date.now,
}: {
  readonly wordMs?: number
  readonly now?: Clock
} = {}) {
  const store = createSampleStore(now)
  const sample = createChatKitServer(store, wordMs)
  const requests: SampleRequest[] = []
  let faults: SampleFaults = {}
  let faulty = Number.POSITIVE_INFINITY
  const app = new Hono<{ Bindings: HttpBindings }>()
  app.all('*', async ({ req: { raw }, env }) => {
    const bytes = new Uint8Array(await raw.arrayBuffer())
    const request = requestOf(raw, bytes)
    requests.push(request)
    await running.onRequest?.(request)
    env.outgoing.once('close', () => {
      request.left = !env.outgoing.writableFinished
    })
    const { down, hang, latency_ms, ...answer } = faulty-- > 0 ? faults : {}
    if (down) env.outgoing.destroy()
    if (hang) await once(env.outgoing, 'close')
    if (down || hang) return RESPONSE_ALREADY_SENT
    const { url, method, headers } = raw
    const body = bytes.length === 0 ? null : bytes
    const response =
      faultyAnswer(answer) ?? (await sample.fetch(new Request(url, { method, headers, body }), env))
    if (latency_ms !== undefined) await wait(latency_ms)
    return response
  })
  const listening = await listenOnLoopback(createAdaptorServer({ fetch: app.fetch }))
  const running = {
    ...listening,
    url: `${listening.origin}/chatkit`,
    store,
    /** A thread with one assistant message for each text, oldest first. */
    seed({ title, texts = [] }: { title?: string; texts?: readonly string[] }): SampleThread {
      const thread = store.createThread()
      thread.title = title ?? null
      for (const text of texts) {
        const content = [{ type: 'output_text' as const, text, annotations: [] }]
        store.save(thread, store.newItem(thread, { type: 'assistant_message', content }))
      }
      return thread
    },
    /** Called when a request has arrived, before it is answered. */
    onRequest: undefined as ((request: SampleRequest) => void | Promise<void>) | undefined,
    server: {
      setFaults(wanted: SampleFaults): void {
        faults = wanted
        faulty = wanted.times ?? Number.POSITIVE_INFINITY
      },
      /** Oldest first. */
      requests: (): readonly SampleRequest[] => [...requests],
      clearRequests(): void {
        requests.length = 0
      },
    },
  }
  return running
}

function requestOf({ method, url, headers: given }: Request, bytes: Uint8Array): SampleRequest {
  const headers = Object.fromEntries(given)
  const isJson = headers['content-type']?.startsWith('application/json') ?? false
  const body = isJson ? Buffer.from(bytes).toString() : null
  const json = jsonOrUndefined(body ?? '')
  const { type, params } = isObject(json) ? json : {}
  const path = new URL(url).pathname
  return { method, path, headers, bytes: bytes.length, body, type, params, left: false }
}
