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
import { eventStream } from './frames.ts'
import type { ServerEnv } from './middleware.ts'
import type { SampleStore } from './store.ts'
import { streamFor, wantsStream } from './streams.ts'

const PATH = '/chatkit'

/**
 * The one endpoint of the protocol.
 *
 * @param wordMs - milliseconds that the assistant takes for each word
 */
export function addEndpoint(app: Hono<ServerEnv>, store: SampleStore, wordMs: number): void {
  app.post(PATH, (context) => {
    const request = requestOf(context.get('bytes'))
    const origin = new URL(context.req.url).origin
    if (!wantsStream(request)) return context.json(answerTo(request, { store, origin }))
    const left = new AbortController()
    const pause = async () => {
      if (wordMs > 0) await wait(wordMs, undefined, { signal: left.signal })
    }
    return eventStream(streamFor(request, { store, origin, pause }), {
      faults: context.get('faults'),
      entry: context.get('entry'),
      left,
      connection: context.env.outgoing,
    })
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
