// Streams a server's images, audio and video to a client that has a link. It holds one chunk at a time,
// whatever the size of the file.

import { Readable } from 'node:stream'
import type { ServerReply } from '../../chatkit/protocol/server-call.ts'
import { serverFault } from '../../chatkit/protocol/server-fault.ts'
import type { AppContext } from '../../http/context.ts'
import { startDeadline } from '../../lib/deadline.ts'
import { isCode } from '../../lib/errors.ts'
import type { Forward } from '../forward.ts'
import type { OpenLink } from './open-link.ts'

/** Media types of images, audio and video. Except for SVG, a browser does not run them as a page. */
const MEDIA_TYPE = /^(?:image|audio|video)\/[\w.+-]+$/
/** XML may contain scripts, whatever it is called, so a browser that opens such a link must save the file. */
const SCRIPTABLE = /image\/svg|xml/
/** A single range. The answer to several ranges is `multipart/byteranges`, which is not an image. */
const RANGE = /^bytes=(?:\d+-\d*|-\d+)$/
/** Codes for 404, 405 and 501, with which frameworks answer `HEAD` where a route is for `GET` alone. */
const NO_HEAD = ['server_refused', 'upstream_unavailable'] as const
/** Headers of the server's answer that the client needs for ranges and caching. */
const PASSED_BACK = [
  'content-length',
  'content-range',
  'accept-ranges',
  'etag',
  'last-modified',
] as const

/**
 * @param parts - `limits`: most milliseconds until the answer begins, of silence, and of the whole download
 */
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
      const request = { url, headers, deadline, silenceMs: idleMs } as const
      const reply = await forward(c, link.call, { ...request, method }).catch((error) => {
        if (method === 'GET' || !isCode(error, ...NO_HEAD)) throw error
        return forward(c, link.call, { ...request, method: 'GET' })
      })
      const body = untilEnd(reply.body, link, totalMs)
      try {
        requireFile(reply, headers.range !== undefined)
      } catch (error) {
        body.destroy()
        throw error
      }
      const status = reply.status === 206 ? 206 : 200
      if (method === 'GET') return c.body(Readable.toWeb(body), status, headersOf(reply))
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

/** @throws `not_found` for a file that is not an image, audio or video; `upstream_invalid_response` */
function requireFile({ status, mediaType }: ServerReply, asksRange: boolean): void {
  const isWhole = status === 200 || (status === 206 && asksRange)
  if (!isWhole || mediaType.startsWith('encoded/')) {
    throw serverFault('upstream_invalid_response', `a file with status ${status}, ${mediaType}`)
  }
  if (!MEDIA_TYPE.test(mediaType)) throw serverFault('not_found', `a file of type ${mediaType}`)
}

/** Ends the body when the link ends or the time is up, and frees the link's slot when the body closes. */
function untilEnd(body: ServerReply['body'], link: OpenLink, totalMs: number) {
  const stop = (error: unknown) => body.destroy(error instanceof Error ? error : undefined)
  const unwatch = link.watch(stop)
  const total = setTimeout(stop, totalMs, new Error('the download took too long')).unref()
  body.once('close', () => {
    unwatch()
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
    // Pages with `Cross-Origin-Embedder-Policy` may show it too.
    'Cross-Origin-Resource-Policy': 'cross-origin',
    ...(SCRIPTABLE.test(mediaType) && { 'Content-Disposition': 'attachment' }),
  }
}
