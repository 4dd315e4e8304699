// Calls this service's HTTP interface with an admin's token, and turns its refusals into messages.

import type { Dispatcher, Response } from 'undici'
import { z } from 'zod'
import { pageOf } from '../../../chatkit/wire/wire.ts'
import { issueIn } from '../../../lib/errors.ts'
import { jsonOrUndefined } from '../../../lib/json.ts'
import { printable } from '../../../lib/printable.ts'
import { readBounded, TooLargeError } from '../../../lib/read-bounded.ts'
import type { Secret } from '../../../lib/secret.ts'
import { reasonOf } from '../../../lib/show.ts'
import { USER_AGENT } from '../../../lib/version.ts'
import { textOfCode } from '../../../respond/codes.ts'
import { CommandError, EXIT, type ExitCode, exitCodeOf, failure } from '../exit.ts'
import { ndjsonLines } from './summary-stream.ts'

/** Query and body of a call. */
interface ServiceRequest {
  /** Entries that are undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
  /** Called with the id of the request, which its audit entry has too. */
  readonly onRequestId?: (id: string) => void
}

/** Longer than the service takes for any call but a stream. */
const ANSWER_WITHIN_MS = 60_000
/** Longest answer that is no stream: the most that `gateway.max_answer_mb` allows. */
const MAX_ANSWER_BYTES = 256 * 1024 * 1024
/** Longest answer of a call that failed, proxies' pages included. */
const MAX_PROBLEM_BYTES = 1024 * 1024

interface ServiceClientOptions {
  /** Without a trailing slash. */
  readonly url: string
  readonly token: Secret
  readonly signal: AbortSignal
  readonly dispatcher: Dispatcher
}

export type ServiceClient = ReturnType<typeof createServiceClient>

/** This service's HTTP interface, as an admin. */
export function createServiceClient({
  url,
  token,
  dispatcher,
  signal: stop,
}: ServiceClientOptions) {
  async function answered(line: string, request: ServiceRequest) {
    const signal = AbortSignal.any([stop, AbortSignal.timeout(ANSWER_WITHIN_MS)])
    const response = await send({ url, token, dispatcher, signal }, line, request)
    request.onRequestId?.(response.headers.get('x-request-id') ?? '')
    return { response, text: await readText({ url, signal }, response, MAX_ANSWER_BYTES) }
  }

  /**
   * A call with one JSON answer; null for an answer without body (204).
   *
   * @param line - method and path: `GET /v1/admin/sessions`
   * @throws {@link CommandError} with the problem in the answer, or the reason why no answer came
   */
  async function call(line: string, request: ServiceRequest = {}): Promise<unknown> {
    const { response, text } = await answered(line, request)
    if (response.status === 204) return null
    const answer = jsonOrUndefined(text)
    if (answer !== undefined) return answer
    const message = `what answers at ${url} is not this service; check --url.`
    throw failure(message)
  }

  return {
    call,
    /** Makes the function that reads a page of a list. */
    pages:
      <S extends z.ZodObject>(path: string, entry: S, filters: ServiceRequest['query'] = {}) =>
      async (list: ServiceRequest['query'], request: Pick<ServiceRequest, 'onRequestId'> = {}) => {
        const query = { ...filters, ...list }
        return expectAnswer(pageOf(entry), await call(`GET ${path}`, { query, ...request }))
      },
    /** A call whose answer is text, returned unchanged. Throws as `call`. */
    text: async (line: string, request: ServiceRequest = {}) =>
      (await answered(line, request)).text,
    /**
     * A call with an NDJSON answer: its lines as they come.
     *
     * @throws as `call`; also while the lines are read, when the connection ends early
     */
    async *lines(line: string): AsyncGenerator<string> {
      const response = await send({ url, token, dispatcher, signal: stop }, line, {})
      if (response.body === null) return
      yield* ndjsonLines(response.body)
    },
  }
}

/**
 * The value, parsed by a schema.
 *
 * @throws {@link CommandError} when it does not match: it is not from this service, or from another version
 */
export function expectAnswer<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const { path } = issueIn(parsed.error)
  throw failure(
    `the answer is not what this command expects (${path.join('.') || 'as a whole'}); is\n` +
      'the service of the same version? --json shows it where it is JSON.',
  )
}

async function send(
  { url, token, dispatcher, signal }: ServiceClientOptions,
  line: string,
  { query, body }: ServiceRequest,
): Promise<Response> {
  const [method = '', path = ''] = line.split(' ')
  const target = new URL(url + path)
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) target.searchParams.set(name, String(value))
  }
  const headers: Record<string, string> = {
    authorization: `Bearer ${token.reveal()}`,
    'user-agent': USER_AGENT,
  }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const content = body === undefined ? null : JSON.stringify(body)
  const { fetch } = await import('undici')
  // Following a redirect would send the token elsewhere.
  const init = { method, headers, body: content, signal, redirect: 'manual' } as const
  const response = await fetch(target, { ...init, dispatcher }).catch((error) => {
    throw unanswered({ url, signal }, error)
  })
  if (response.ok) return response
  throw problemOf(response, {
    path,
    body: await readText({ url, signal }, response, MAX_PROBLEM_BYTES),
  })
}

async function readText(
  options: Pick<ServiceClientOptions, 'url' | 'signal'>,
  response: Response,
  maxBytes: number,
): Promise<string> {
  if (response.body === null) return ''
  try {
    return (await readBounded(response.body, maxBytes)).toString('utf8')
  } catch (error) {
    if (error instanceof TooLargeError) throw failure(`the answer of ${options.url} is too long.`)
    throw unanswered(options, error)
  }
}

function unanswered(
  { url, signal }: Pick<ServiceClientOptions, 'url' | 'signal'>,
  error: unknown,
): unknown {
  if (signal.aborted && signal.reason instanceof CommandError) return signal.reason
  return new CommandError(
    EXIT.unavailable,
    `no answer from ${url} (${printable(reasonOf(error))}); check --url or CHATKIT_MINT_URL, and that the\n` +
      'service runs.',
  )
}

const SLASH_HINT =
  'This user has a slash in its name. If a proxy stands between: it must pass on %2F in paths as it is.'

/** Problem details (RFC 9457) as this service writes them. Only the status of other answers is used. */
const problemDetails = z.object({ code: z.string(), detail: z.string(), request_id: z.string() })

/** The error for a refusal: advice, code and request id. */
function problemOf(
  response: Response,
  { path, body }: { readonly path: string; readonly body: string },
): CommandError {
  const parsed = problemDetails.safeParse(jsonOrUndefined(body)).data
  if (parsed === undefined) return foreignAnswer(response.status)
  const { code, detail, request_id: requestId } = parsed
  const after = response.headers.get('retry-after')
  const lines = [
    [printable(detail), textOfCode(code)?.command ?? []].flat().join(' '),
    `code: ${printable(code)}`,
    `request_id: ${printable(requestId)}`,
    ...(after === null ? [] : [`retry after: ${printable(after)} s`]),
    ...(code === 'not_found' && path.includes('%2F') ? [SLASH_HINT] : []),
  ]
  return new CommandError(exitCodeOf(code), lines.join('\n'))
}

function foreignAnswer(status: number): CommandError {
  const exitCode: ExitCode = status >= 502 && status <= 504 ? EXIT.unavailable : EXIT.failed
  const what = status >= 300 && status < 400 ? 'a redirect' : `status ${status}`
  return new CommandError(
    exitCode,
    `got ${what}, and not from this service; check --url or CHATKIT_MINT_URL, and what stands between.`,
  )
}
