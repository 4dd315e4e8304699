// Streams pictures, sound and film of a server to whoever holds a link to them. Nothing is kept: a file
// of any size takes the memory of a chunk.

import { Readable } from 'node:stream'
import { type ServerReply, serverFault } from '../../chatkit/protocol/server-call.ts'
import type { AppContext } from '../../http/context.ts'
import { startDeadline } from '../../lib/deadline.ts'
import type { Forward } from '../forward.ts'
import type { OpenLink } from './open-link.ts'

/** A page cannot be made of these, SVG apart. */
const MEDIA_TYPE = /^(?:image|audio|video)\/[\w.+-]+$/
/** SVG and its like can hold scripts: a browser that is sent to one stores it. */
const SCRIPTABLE = /^image\/(?:svg|.*xml)/
/** One range: several would come as `multipart/byteranges`, which is no picture. */
const RANGE = /^bytes=(?:\d+-\d*|-\d+)$/
/** What the server says of the bytes, and the client needs for ranges. */
const PASSED_BACK = [
  'content-length',
  'content-range',
  'accept-ranges',
  'etag',
  'last-modified',
] as const
/** Between two looks whether the link has ended, in milliseconds. */
const CHECK_MS = 1000

/** @param parts - `limits`, in milliseconds: until the answer begins; of silence; of the whole download */
export function createTakeDownload({
  forward,
  limits: { headMs, idleMs, totalMs },
}: {
  readonly forward: Forward
  readonly limits: { readonly headMs: number; readonly idleMs: number; readonly totalMs: number }
}) {
  /** The answer to `GET` or `HEAD` on a link. */
  return async function takeDownload(c: AppContext, link: OpenLink): Promise<Response> {
    const method = c.req.method === 'HEAD' ? 'HEAD' : 'GET'
    const deadline = startDeadline(headMs, c.req.raw.signal)
    try {
      const headers = rangeOf(c)
      const { url } = link
      const request = { method, url, headers, deadline, silenceMs: idleMs } as const
      const reply = await forward(c, link.call, request)
      const body = untilEnd(reply.body, link, totalMs)
      try {
        requireFile(reply, headers.range !== undefined)
      } catch (error) {
        body.destroy()
        throw error
      }
      const status = reply.status === 206 ? 206 : 200
      if (method === 'GET') return c.body(toWeb(body), status, headersOf(reply))
      body.destroy()
      return c.body(null, status, headersOf(reply))
    } catch (error) {
      link.release()
      throw error
    } finally {
      deadline.stop()
    }
  }
}

/** @throws `not_found` for what is no picture, sound or film; `upstream_invalid_response` */
function requireFile({ status, mediaType }: ServerReply, asksRange: boolean): void {
  const isWhole = status === 200 || (status === 206 && asksRange)
  if (!isWhole || mediaType.startsWith('encoded/')) {
    throw serverFault('upstream_invalid_response', `a file with status ${status}, ${mediaType}`)
  }
  if (!MEDIA_TYPE.test(mediaType)) throw serverFault('not_found', `a file of type ${mediaType}`)
}

/** Ends the bytes when the link ends or the time is up, and gives the link's place back after them. */
function untilEnd(body: ServerReply['body'], link: OpenLink, totalMs: number) {
  const stop = (error: unknown) => body.destroy(error instanceof Error ? error : undefined)
  const check = setInterval(() => void link.check().catch(stop), CHECK_MS).unref()
  const total = setTimeout(stop, totalMs, new Error('the download took too long')).unref()
  body.once('close', () => {
    clearInterval(check)
    clearTimeout(total)
    link.release()
  })
  return body
}

function rangeOf(c: AppContext): { readonly range?: string; readonly 'if-range'?: string } {
  const range = c.req.header('Range')
  const condition = c.req.header('If-Range')
  if (range === undefined || !RANGE.test(range)) return {}
  return { range, ...(condition !== undefined && { 'if-range': condition }) }
}

function headersOf({ headers, mediaType }: ServerReply): Record<string, string> {
  const passed = PASSED_BACK.flatMap((name) => {
    const value = headers[name]
    return typeof value === 'string' ? [[name, value] as const] : []
  })
  return {
    ...Object.fromEntries(passed),
    'Content-Type': mediaType,
    'X-Content-Type-Options': 'nosniff',
    'Content-Security-Policy': 'sandbox',
    'Referrer-Policy': 'no-referrer',
    // Pages that are isolated from other origins show it as well.
    'Cross-Origin-Resource-Policy': 'cross-origin',
    ...(SCRIPTABLE.test(mediaType) && { 'Content-Disposition': 'attachment' }),
  }
}

function toWeb(body: Readable): ReadableStream<Uint8Array> {
  return Readable.toWeb(body)
}
