// Adds the demo's page to the service, at `/demo`.

import { parse } from 'yaml'
import { z } from 'zod'
import type { RecordedRequest } from '../../embedded/chatkit-api/recorder.ts'
import { createDemoPage, type MintTrace } from '../../embedded/demo-page/demo-page.ts'
import { DEMO_PAGE } from '../../embedded/sign-in/clients.ts'
import type { ListenOptions } from '../../http/server/server.ts'
import type { DemoLog } from './log.ts'

/** Facts and calls that the page may use. */
interface DemoPageParts {
  /** Address of the service. */
  readonly url: string
  readonly issuer: string
  /** The config file. */
  readonly config: string
  /** Log of the service. */
  readonly log: Pick<DemoLog, 'requestOf'>
  /** Requests that the ChatKit API received. */
  readonly sent: () => readonly RecordedRequest[]
  /** Access token of an admin. It does not leave this process. */
  readonly adminToken: string
}

type App = ListenOptions['app']

const configFile = z.looseObject({ workflows: z.record(z.string(), z.unknown()) })

/** The service with the demo's page at `/demo`; `/` redirects a browser there. */
export function withDemoPage(app: App, parts: DemoPageParts): App {
  const { url, issuer, config, adminToken } = parts
  const page = createDemoPage({
    url,
    issuer,
    clientId: DEMO_PAGE.clientId,
    workflows: configFile.parse(parse(config)).workflows,
    traceOf: (requestId) => traceOf(requestId, parts),
    callAsAdmin: (method, path, body) =>
      fetch(`${url}/v1/admin${path}`, {
        method,
        headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
        ...(body && { body: JSON.stringify(body) }),
      }),
  })
  return {
    fetch: (request, ...rest) => {
      const { pathname } = new URL(request.url)
      const isBrowser = request.headers.get('accept')?.includes('text/html')
      if (pathname === '/' && isBrowser) return Response.redirect(new URL('/demo', url))
      const isPage = /^\/demo(?:\/|$)/.test(pathname)
      return isPage ? page.fetch(request) : app.fetch(request, ...rest)
    },
  }
}

/** Joins the log's and the ChatKit API's records of a request. */
function traceOf(requestId: string, { log, sent }: DemoPageParts): MintTrace | undefined {
  const line = log.requestOf(requestId)
  if (line === undefined) return undefined
  const { workflow, reason, upstream } = line
  const id = upstream?.request_id
  return { workflow, reason, sent: sent().find((one) => one.request_id === id) }
}
