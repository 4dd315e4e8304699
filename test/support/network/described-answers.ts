import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { problemsOf } from '../../../src/http/openapi/operation.ts'
import { describeResponses, problemSchema } from '../../../src/http/openapi/responses.ts'
import { isBackendPath } from '../../../src/http/origins.ts'
import type { Answer, RouteDefinition } from '../../../src/http/route-definition.ts'
import { ROUTES } from '../../../src/http/route-table.ts'
import { jsonOrUndefined } from '../../../src/lib/json.ts'
import { type AnswerOnTheWire, hearAnswers } from './answers-on-the-wire.ts'

/** Codes that the HTTP server itself can answer, before it looks for a route. */
const BELOW_ROUTES: readonly string[] = [
  'invalid_request',
  'not_found',
  'method_not_allowed',
  'request_timeout',
  'expectation_failed',
  'headers_too_large',
  'internal_error',
]

/** Headers that callers act on. Those of CORS, caches and browsers are the same everywhere, and not described. */
const MEANT_FOR_CALLERS = [
  'allow',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
  'www-authenticate',
  'x-request-id',
]

const routes = Object.values<RouteDefinition>(ROUTES).map((route) => ({
  route,
  pattern: new RegExp(`^${route.path.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
}))

/** The described responses of the routes that were called. The whole description takes a tenth of a second. */
const responsesOf = new Map<RouteDefinition, ReturnType<typeof describeResponses>>()

/**
 * Holds every answer of a server of this process to the API description.
 *
 * @returns `listenTo` takes the server's URL; `finish` throws when an answer was not as described
 */
export function holdToDescription() {
  const faults = new Set<string>()
  const hearing = hearAnswers((answer) => {
    const fault = undescribed(answer)
    if (fault !== undefined) faults.add(fault)
  })
  return {
    listenTo: hearing.listenTo,
    finish: () => {
      hearing.stop()
      if (faults.size === 0) return
      throw new Error(`answers that the API description does not have:\n${[...faults].join('\n')}`)
    },
  }
}

/**
 * Compares an answer with the API description: status, media type, headers, body, problem code.
 *
 * @returns what the description does not say of it; undefined when all is as described
 */
export function undescribed(answer: AnswerOnTheWire): string | undefined {
  const path = pathOf(answer.target)
  // The console's pages are not described; its own tests check them.
  if (path !== undefined && /^\/admin(?:\/|$)/.test(path)) return undefined
  if (path !== undefined && isPageForNothing(answer, path)) return undefined
  const here = path === undefined ? [] : routes.filter(({ pattern }) => pattern.test(path))
  const method = answer.method === 'HEAD' ? 'GET' : answer.method
  const route = here.find((one) => one.route.method === method)?.route
  const fault = route === undefined ? faultOutside(answer, here.length > 0) : faultOf(answer, route)
  if (fault === undefined) return undefined
  return `${answer.method} ${answer.target.slice(0, 200)} -> ${answer.status}: ${fault}`
}

/** At an address that has nothing, a browser gets a page; calls of the API never do. */
function isPageForNothing(answer: AnswerOnTheWire, path: string): boolean {
  const isCall = /^\/(?:v1|chatkit)(?:\/|$)/.test(path)
  return answer.status === 404 && mediaTypeOf(answer) === 'text/html' && !isCall
}

function pathOf(target: string): string | undefined {
  const url = target.startsWith('/') ? `http://x${target}` : target
  if (!URL.canParse(url)) return undefined
  const { pathname } = new URL(url)
  try {
    // As the router reads it: a percent-encoded letter is the letter.
    return decodeURI(pathname)
  } catch {
    return pathname
  }
}

function faultOf(answer: AnswerOnTheWire, route: RouteDefinition) {
  const responses = responsesOf.get(route) ?? describeResponses(route)
  responsesOf.set(route, responses)
  const response = responses[answer.status] ?? responses[`${Math.floor(answer.status / 100)}XX`]
  if (response === undefined) return 'a status that is not listed'
  for (const [name, { required }] of Object.entries(response.headers)) {
    if (required && answer.headers[name.toLowerCase()] === undefined) return `without ${name}`
  }
  const described = Object.keys(response.headers).map((name) => name.toLowerCase())
  const silent = MEANT_FOR_CALLERS.find((name) => answer.headers[name] && !described.includes(name))
  if (silent !== undefined) return `a header ${silent} that is not described`
  if (answer.status >= 400 && route.checks.includes('backend')) return faultOfApiError(answer)
  if (answer.status >= 400) return faultOfProblem(answer, problemsOf(route))
  return faultOfGood(answer, route)
}

/** `OPTIONS` on a path of ours; else a refusal. */
function faultOutside(answer: AnswerOnTheWire, isPath: boolean): string | undefined {
  const isBackends = isBackendPath(pathOf(answer.target) ?? '')
  if (isBackends && mediaTypeOf(answer) === 'application/json') return faultOfApiError(answer)
  if (answer.method === 'OPTIONS' && isPath) {
    if (answer.status === 204) return answer.headers['allow'] ? undefined : 'without Allow'
    return faultOfProblem(answer, [...BELOW_ROUTES, 'origin_not_allowed'])
  }
  return faultOfProblem(answer, BELOW_ROUTES)
}

/** Errors of calls by backends are in the ChatKit API's own format. */
function faultOfApiError(answer: AnswerOnTheWire): string | undefined {
  const type = mediaTypeOf(answer)
  if (type !== 'application/json') return `the media type ${type}`
  if (answer.method === 'HEAD') return undefined
  const parsed = wholeApiError.safeParse(jsonOrUndefined(answer.body))
  return parsed.success ? undefined : `no error of the API: ${parsed.error.message}`
}

const wholeApiError = z.strictObject({
  error: z.strictObject({
    message: z.string().min(1),
    type: z.enum(['invalid_request_error', 'requests', 'server_error']),
    param: z.string().nullable(),
    code: z.string().nullable(),
  }),
})

function faultOfProblem(answer: AnswerOnTheWire, codes: readonly string[]): string | undefined {
  const type = mediaTypeOf(answer)
  if (type !== 'application/problem+json') return `the media type ${type}`
  if (answer.method === 'HEAD') return undefined
  const problem = problemSchema.safeParse(jsonOrUndefined(answer.body))
  if (!problem.success) return `no problem details: ${problem.error.message}`
  if (problem.data.status !== answer.status) return 'another status in the body'
  return codes.includes(problem.data.code) ? undefined : `a code not listed: ${problem.data.code}`
}

function faultOfGood(answer: AnswerOnTheWire, { answers }: RouteDefinition): string | undefined {
  const type = mediaTypeOf(answer)
  const same = answers.filter(({ status }) => status === answer.status)
  const described = same.find(({ schema, mediaType = 'application/json' }) =>
    fits(type, schema === undefined ? undefined : mediaType),
  )
  if (described === undefined) return `the media type ${type}`
  if (described.schema === undefined) return answer.body === '' ? undefined : 'a body'
  if (answer.method === 'HEAD') return undefined
  return textsOf(type, answer.body)
    .map((text) => faultOfJson(described.schema, text))
    .find((fault) => fault !== undefined)
}

function fits(type: string | undefined, described: string | undefined): boolean {
  const range = described?.endsWith('/*') ? described.slice(0, -1) : undefined
  return range === undefined ? type === described : type?.startsWith(range) === true
}

/** The JSON texts in a body; event streams are not collected here, and other bodies are any text. */
function textsOf(type: string | undefined, body: string): readonly string[] {
  if (type === 'application/json') return [body]
  return type === 'application/x-ndjson' ? body.trimEnd().split('\n') : []
}

function faultOfJson(schema: Answer['schema'], text: string): string | undefined {
  const body = jsonOrUndefined(text)
  const parsed = schema?.safeParse(body)
  if (parsed?.success !== true) return `${parsed?.error.message} in ${text.slice(0, 300)}`
  // Parsing drops members that the schema does not know, so a comparison finds them.
  return isDeepStrictEqual(parsed.data, body)
    ? undefined
    : `members that are not described: ${text.slice(0, 300)}`
}

function mediaTypeOf({ headers }: AnswerOnTheWire): string | undefined {
  return headers['content-type']?.split(';')[0]?.trim()
}
