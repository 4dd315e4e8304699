import { vi } from 'vitest'

/** One answer of the fake network, or its error. */
export type Scripted = Response | Error | ((call: Call) => Promise<Response>)

/** A request as the fake network saw it. */
export interface Call {
  readonly url: string
  readonly headers: Headers
  readonly body: unknown
  readonly signal: AbortSignal | undefined
}

/** A `fetch` that answers from a script, one after the other, and the calls that it took. */
export function fakeNetwork(...script: Scripted[]) {
  const calls: Call[] = []
  const left = [...script]
  const send: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    const body = typeof init?.body === 'string' ? JSON.parse(init.body) : undefined
    const call = {
      url,
      headers: new Headers(init?.headers),
      body,
      signal: init?.signal ?? undefined,
    }
    calls.push(call)
    const next = left.shift()
    if (next === undefined) throw new Error(`nothing scripted for call ${calls.length}`)
    if (next instanceof Error) throw next
    return typeof next === 'function' ? next(call) : next
  }
  return { calls, fetch: vi.fn(send) }
}

export function minted(secret: string): Response {
  return Response.json({ client_secret: secret })
}

export function problem(status: number, code: string, headers: Record<string, string> = {}) {
  const body = { status, code, detail: `About ${code}.`, request_id: 'req_1' }
  return Response.json(body, { status, headers })
}

/** Never answers: rejects when it is aborted, as `fetch` does. */
export function hanging({ signal }: Call): Promise<Response> {
  return new Promise((_, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason))
  })
}

/** An answer that comes when `come` is called, even if the request was aborted before. */
export function late(response: Response) {
  const gate = Promise.withResolvers<void>()
  return { come: gate.resolve, answer: () => gate.promise.then(() => response) }
}
