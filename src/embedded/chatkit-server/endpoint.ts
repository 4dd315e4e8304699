// The one endpoint of the ChatKit protocol: reads a request and answers with JSON or a stream.

import { setTimeout as wait } from 'node:timers/promises'
import type { Hono } from 'hono'
import { ZodError } from 'zod'
import { type KnownRequest, parseRequest } from '../../chatkit/protocol/request.ts'
import { ApiError } from '../../http/backend/api-error.ts'
import { MAX_JSON_DEPTH } from '../../http/backend/parameters.ts'
import { issueIn } from '../../lib/errors.ts'
import { parseStrictJson, StrictJsonError } from '../../lib/json.ts'
import { answerTo } from './answers.ts'
import type { SampleStore } from './store.ts'
import { streamFor, wantsStream } from './streams.ts'
import type { Events } from './turn.ts'

const PATH = '/chatkit'

/**
 * The one endpoint of the protocol.
 *
 * @param wordMs - milliseconds that the assistant takes for each word
 */
export function addEndpoint(app: Hono, store: SampleStore, wordMs: number): void {
  const pause = async () => {
    if (wordMs > 0) await wait(wordMs)
  }
  app.post(PATH, async ({ req, json }) => {
    const request = requestOf(new Uint8Array(await req.arrayBuffer()))
    const { origin } = new URL(req.url)
    if (!wantsStream(request)) return json(answerTo(request, { store, origin }))
    return eventStream(streamFor(request, { store, origin, pause }))
  })
  app.all(PATH, () => {
    throw new ApiError(405, 'This endpoint takes POST only.', { allow: 'POST' })
  })
}

function requestOf(bytes: Uint8Array): KnownRequest {
  try {
    const parsed = parseRequest(parseStrictJson(bytes, MAX_JSON_DEPTH))
    if (parsed.known) return parsed.request
    throw new ApiError(400, `Unknown request type: '${parsed.request.type}'.`)
  } catch (error) {
    throw asRefusal(error)
  }
}

function asRefusal(error: unknown): unknown {
  if (error instanceof StrictJsonError) return new ApiError(400, `Bad JSON: ${error.message}.`)
  if (!(error instanceof ZodError)) return error
  const { path, message } = issueIn(error)
  return new ApiError(400, `Bad request: ${path.join('.')}: ${message}.`)
}

/**
 * Sends events as `text/event-stream`. An event is made only when the connection can take it, and none after the
 * client has left.
 */
export function eventStream(events: Events): Response {
  // With `transfer-encoding` set, the adapter sends the headers at once and does not wait for the first frames.
  const headers = { 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' }
  const body = ReadableStream.from(framesOf(events))
  return new Response(body, { headers: { ...headers, 'cache-control': 'no-cache' } })
}

async function* framesOf(events: Events) {
  for await (const event of events) yield Buffer.from(`data: ${JSON.stringify(event)}\n\n`)
}
