import { z } from 'zod'
import type { Secret } from '../../../lib/secret.ts'
import { CommandError, EXIT } from '../exit.ts'
import { ndjsonLines } from './ndjson.ts'
import { problemOf } from './service-problem.ts'

/** What a call carries besides method and path. */
export interface ServiceRequest {
  /** Entries that are undefined are left out. */
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly body?: unknown
}

/** This service's HTTP interface, as an admin. */
export interface ServiceClient {
  /**
   * A call with one JSON answer; null for an answer without body (204).
   *
   * @param line - method and path: `GET /v1/admin/sessions`
   * @throws {@link CommandError} with the problem that was answered, or why no answer came
   */
  call(line: string, request?: ServiceRequest): Promise<unknown>
  /**
   * A call with an NDJSON answer: its lines as they come.
   *
   * @throws as `call`; when the connection ends early, where the reading is
   */
  lines(line: string): AsyncIterable<string>
}

/** Longer than the service takes for anything but a stream, its own deadlines included. */
const ANSWER_WITHIN_MS = 60_000

/** What {@link createServiceClient} needs. */
export interface ServiceClientOptions {
  /** Without a trailing slash. */
  readonly url: string
  readonly token: Secret
  readonly signal: AbortSignal
}

/** @param options - where, and as whom */
export function createServiceClient(options: ServiceClientOptions): ServiceClient {
  return {
    async call(line, request = {}) {
      const limit = AbortSignal.timeout(ANSWER_WITHIN_MS)
      const signal = AbortSignal.any([options.signal, limit])
      const response = await send({ ...options, signal }, line, request)
      if (response.status === 204) return null
      return json(options, await readText(options, response))
    },
    async *lines(line) {
      const response = await send(options, line, {})
      if (response.body === null) return
      yield* ndjsonLines(response.body)
    },
  }
}

/**
 * The value as a schema has it.
 *
 * @throws {@link CommandError} when it is another: not this service, or a newer one
 */
export function expectAnswer<S extends z.ZodType>(schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  throw new CommandError(
    EXIT.failed,
    `the answer is not what this command expects (${issue?.path.join('.') || 'as a whole'}); is\n` +
      'the service of the same version? --json shows it where it is JSON.',
  )
}

async function send(
  { url, token, signal }: ServiceClientOptions,
  line: string,
  { query, body }: ServiceRequest,
): Promise<Response> {
  const [method = '', path = ''] = line.split(' ')
  const target = new URL(url + path)
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) target.searchParams.set(name, String(value))
  }
  const headers: Record<string, string> = { authorization: `Bearer ${token.reveal()}` }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const content = body === undefined ? null : JSON.stringify(body)
  // A redirect would take the token elsewhere.
  const init = { method, headers, body: content, signal, redirect: 'manual' } as const
  const response = await fetch(target, init).catch((error) => {
    throw unanswered({ url, signal }, error)
  })
  if (response.ok) return response
  throw problemOf(response, await readText({ url, signal }, response))
}

function json({ url }: Pick<ServiceClientOptions, 'url'>, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new CommandError(EXIT.failed, `what answers at ${url} is not this service; check --url.`)
  }
}

async function readText(
  options: Pick<ServiceClientOptions, 'url' | 'signal'>,
  response: Response,
): Promise<string> {
  return await response.text().catch((error) => {
    throw unanswered(options, error)
  })
}

/** The HTTP client's own errors say "fetch failed"; why is in the cause. */
function unanswered(
  { url, signal }: Pick<ServiceClientOptions, 'url' | 'signal'>,
  error: unknown,
): unknown {
  if (signal.aborted && signal.reason instanceof CommandError) return signal.reason
  return new CommandError(
    EXIT.unavailable,
    `no answer from ${url} (${failureOf(error)}); check --url or CHATKIT_MINT_URL, and that the\n` +
      'service runs.',
  )
}

const withCode = z.object({ code: z.string() })

function failureOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  return withCode.safeParse(error.cause).data?.code ?? error.name
}
