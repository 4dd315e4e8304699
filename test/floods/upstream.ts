import type { ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { sessionOf } from '../support/chatkit/scripted-upstream.ts'
import { serve } from '../support/network/listen.ts'

/** A ChatKit API on loopback for the floods: it mints after a pause, and answers reads as the flood needs them. */
export interface FloodUpstream {
  /** For `OPENAI_BASE_URL`. */
  readonly url: string
  /** Answers to thread calls: none, 500, or pages of a long conversation. */
  reads: 'hang' | 'fail' | 'pages'
  close(): Promise<void>
}

/** @param mintMs - how long a create takes */
export async function startFloodUpstream(mintMs: number): Promise<FloodUpstream> {
  let sessions = 0
  const { origin, close } = await serve(async (request, response) => {
    const { method, url = '' } = request
    const body = await text(request)
    if (method !== 'POST') return read(url, response)
    const user = url.endsWith('/cancel') ? 'someone' : String(JSON.parse(body).user)
    const answer = sessionOf(user, `cksess_${++sessions}`)
    const json = JSON.stringify(answer)
    setTimeout(() => send(response, 200, json), url.endsWith('/cancel') ? 0 : mintMs)
  })
  function read(url: string, response: ServerResponse): void {
    if (upstream.reads === 'fail') send(response, 500, '{}')
    if (upstream.reads === 'pages') send(response, 200, url.includes('/items') ? ITEMS : THREADS)
  }
  const upstream: FloodUpstream = { url: `${origin}/v1`, reads: 'pages', close }
  return upstream
}

function send(response: ServerResponse, status: number, json: string): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(json)
}

const listOf = (data: readonly { readonly id: string }[]) => {
  const [first, last] = [data.at(0)?.id ?? null, data.at(-1)?.id ?? null]
  return JSON.stringify({ object: 'list', data, first_id: first, last_id: last, has_more: false })
}

const THREADS = listOf(
  Array.from({ length: 20 }, (_, at) => ({
    id: `cthr_${at}`,
    object: 'chatkit.thread',
    created_at: 1_790_000_000 - at,
    status: { type: 'active' },
    title: null,
    user: 'mallory',
  })),
)

const ITEMS = listOf(
  Array.from({ length: 100 }, (_, at) => ({
    id: `cthi_${at}`,
    object: 'chatkit.thread_item',
    created_at: 1_790_000_000 - at,
    type: 'chatkit.assistant_message',
    content: [{ type: 'output_text', text: 'x'.repeat(1000), annotations: [] }],
  })),
)
