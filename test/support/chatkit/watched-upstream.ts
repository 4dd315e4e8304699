import type { ServerResponse } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { createChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'

/** Replaces the API's answer, or writes the whole answer through Node's response. */
export type Instead = (
  request: Request,
  node: { readonly outgoing: ServerResponse },
) => Response | Promise<Response> | undefined

export type WatchedUpstream = Awaited<ReturnType<typeof startWatchedUpstream>>

/** An embedded ChatKit API that also records the API key, which its own recorder never keeps. */
export async function startWatchedUpstream() {
  const api = createChatKitApi({ now: Date.now })
  const server = createAdaptorServer({
    fetch(request, { outgoing }) {
      upstream.authorizations.push(request.headers.get('authorization'))
      const node = { outgoing: outgoing as ServerResponse }
      return upstream.instead?.(request, node) ?? api.app.fetch(request)
    },
  })
  const { origin, close } = await listenOnLoopback(server)
  const upstream = {
    /** For `OPENAI_BASE_URL`. */
    url: `${origin}/v1`,
    api,
    /** `Authorization` of each request, oldest first. */
    authorizations: [] as (string | null)[],
    /** Stands in for the API while it returns something. */
    instead: undefined as Instead | undefined,
    close,
  }
  return upstream
}
