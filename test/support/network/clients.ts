import { Agent, type Dispatcher } from 'undici'

/** An answer as far as these tests look at it. */
export interface Seen {
  readonly status: number
  /** Set for a refusal. */
  readonly code: string | undefined
  /** Set for a mint. */
  readonly secret: string | undefined
  readonly retryAfter: string | undefined
  readonly body: unknown
  /** `performance.now()`. */
  readonly begun: number
  readonly ended: number
}

interface Sent {
  readonly method?: string
  readonly token?: string
  readonly json?: unknown
}

/** The service must answer sooner than this: a call that hangs is a failure. */
const PATIENCE_MS = 15_000

export type Clients = ReturnType<typeof createClients>

/** @param connect - for example the address that they come from */
export function createClients(url: string, connect: { localAddress?: string } = {}) {
  const agent = new Agent({
    connect: { timeout: PATIENCE_MS, ...connect },
    headersTimeout: PATIENCE_MS,
    bodyTimeout: PATIENCE_MS,
    allowH2: false,
  })
  return {
    async call(path: string, { method = 'GET', token, json }: Sent = {}): Promise<Seen> {
      const begun = performance.now()
      const headers: Record<string, string> = {}
      if (token !== undefined) headers['authorization'] = `Bearer ${token}`
      if (json !== undefined) headers['content-type'] = 'application/json'
      const body = json === undefined ? null : JSON.stringify(json)
      const response = await agent.request({
        ...{ origin: url, path, headers, body },
        method: method as Dispatcher.HttpMethod,
      })
      return seenOf(response, await response.body.text(), begun)
    },
    close: () => agent.destroy(),
  }
}

function seenOf(response: Dispatcher.ResponseData, text: string, begun: number): Seen {
  const body = JSON.parse(text || 'null')
  return {
    status: response.statusCode,
    code: body?.code ?? body?.error?.code,
    secret: body?.client_secret,
    retryAfter: response.headers['retry-after']?.toString(),
    body,
    begun,
    ended: performance.now(),
  }
}
