// Fetches JSON documents of identity providers, within bounds of time and size.

import type { Dispatcher } from 'undici'
import { ServiceError } from '../../lib/errors.ts'
import { parseStrictJson, StrictJsonError } from '../../lib/json.ts'
import { isSecureUrl } from '../../lib/loopback.ts'
import { readBounded } from '../../lib/read-bounded.ts'
import { reasonOf, show } from '../../lib/show.ts'
import { USER_AGENT } from '../../lib/version.ts'

const MAX_BYTES = 262_144
const MAX_DEPTH = 32
const DEADLINE_MS = 3_000
/** Windows editors write it into files that a web server hands out; it is dropped (RFC 8259 §8.1). */
const BYTE_ORDER_MARK = Buffer.from('\ufeff')

/** The provider answered with another status than 200. */
export class AnswerError extends Error {
  override readonly name = 'AnswerError'
  readonly status: number

  constructor(status: number, redirect: URL | null = null) {
    const leads = `which leads to ${show(`${redirect?.origin}${redirect?.pathname}`)}`
    const advice =
      'no redirect is followed: correct `issuer`, or the address of the keys in `jwks_uri`'
    super(`answered ${status}${redirect === null ? '' : `, ${leads}; ${advice}`}`)
    this.status = status
  }
}

/** Whether a fetch failed because there is nothing at the address. */
export function isAbsent(error: unknown): error is ServiceError {
  return (
    error instanceof ServiceError &&
    error.cause instanceof AnswerError &&
    error.cause.status === 404
  )
}

/** GETs a JSON document of an identity provider. */
export type FetchJson = (url: URL) => Promise<unknown>

/**
 * The function that is returned throws ServiceError `idp_unavailable` on anything but a 200 with at most 256 KiB of
 * strict JSON. It never follows a redirect: an open redirect at the provider could then choose our keys.
 */
export function createFetchJson({
  dispatcher,
  insecureHttp,
  deadlineMs = DEADLINE_MS,
}: {
  readonly dispatcher: Dispatcher
  /** Whether plain http beyond loopback is fetched: `insecure_http` of the issuer. */
  readonly insecureHttp: boolean
  /** Milliseconds from the call to the last byte of the body. */
  readonly deadlineMs?: number
}): FetchJson {
  return async (url) => {
    try {
      // An attacker who can change keys on the network could sign any token.
      if (!isSecureUrl(url) && !(insecureHttp && url.protocol === 'http:')) {
        throw new Error('not an https address')
      }
      return await getJson(url, dispatcher, AbortSignal.timeout(deadlineMs))
    } catch (cause) {
      const reason = `GET ${url.origin}${url.pathname}: ${reasonOf(cause)}`
      throw new ServiceError('idp_unavailable', { reason, cause })
    }
  }
}

async function getJson(url: URL, dispatcher: Dispatcher, signal: AbortSignal): Promise<unknown> {
  const headers = {
    accept: 'application/json, application/jwk-set+json',
    // Without it, any coding may come (RFC 9110 §12.5.3), and none is decoded here.
    'accept-encoding': 'identity',
    'user-agent': USER_AGENT,
  }
  const target = { origin: url.origin, path: url.pathname + url.search, method: 'GET' } as const
  const answer = dispatcher.request({ ...target, signal, headers })
  const { statusCode, headers: answered, body } = await Promise.race([answer, aborted(signal)])
  if (statusCode !== 200) {
    // Closes the connection instead of reading a useless body. The listener ignores the error of that abort.
    body.on('error', () => {}).destroy()
    const { location } = answered
    throw new AnswerError(
      statusCode,
      typeof location === 'string' ? URL.parse(location, url) : null,
    )
  }
  const { 'content-encoding': coding } = answered
  return parseDocument(await readBounded(body, MAX_BYTES), coding)
}

/** @param coding - the header; some servers name one that the body does not have, so it alone is no failure */
function parseDocument(bytes: Buffer, coding: string | string[] | undefined): unknown {
  const isMarked = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK)
  try {
    return parseStrictJson(isMarked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes, MAX_DEPTH)
  } catch (error) {
    if (coding === undefined || !(error instanceof StrictJsonError)) throw error
    const named = `content-encoding ${show(String(coding))}, although the request asks for identity`
    throw new Error(`${error.message}; answered with ${named}`)
  }
}

/** undici heeds a signal only once there is a connection, and a proxy or a firewall may never give one. */
function aborted(signal: AbortSignal): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  return promise
}
