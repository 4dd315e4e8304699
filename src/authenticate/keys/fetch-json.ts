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

/**
 * GETs a JSON document of an identity provider.
 *
 * @param ifAbsent - what an answer of 404 means, and what to do, for the reason of the error
 */
export type FetchJson = (url: URL, ifAbsent?: string) => Promise<unknown>

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
  async function getJson(url: URL, ifAbsent: string | undefined): Promise<unknown> {
    const headers = {
      accept: 'application/json, application/jwk-set+json',
      // Without it, any coding may come (RFC 9110 §12.5.3), and none is decoded here.
      'accept-encoding': 'identity',
      'user-agent': USER_AGENT,
    }
    const target = { origin: url.origin, path: url.pathname + url.search, method: 'GET' } as const
    const signal = AbortSignal.timeout(deadlineMs)
    const answer = dispatcher.request({ ...target, signal, headers })
    const { statusCode, headers: answered, body } = await Promise.race([answer, aborted(signal)])
    if (statusCode !== 200) {
      // Closes the connection instead of reading a useless body. The listener ignores the error of that abort.
      body.on('error', () => {}).destroy()
      const advice = statusCode === 404 && ifAbsent !== undefined ? `: ${ifAbsent}` : ''
      throw new Error(`answered ${statusCode}${leadsTo(url, answered['location'])}${advice}`)
    }
    const { 'content-encoding': coding } = answered
    return parseDocument(await readBounded(body, MAX_BYTES), coding)
  }

  return async (url, ifAbsent) => {
    try {
      // An attacker who can change keys on the network could sign any token.
      if (!isSecureUrl(url) && !(insecureHttp && url.protocol === 'http:')) {
        throw new Error('not an https address')
      }
      return await getJson(url, ifAbsent)
    } catch (cause) {
      const reason = `GET ${url.origin}${url.pathname}: ${reasonOf(cause)}`
      throw new ServiceError('idp_unavailable', { reason, cause })
    }
  }
}

/** For the reason of an error: where a redirect leads, and the advice to correct the address. */
function leadsTo(url: URL, location: string | string[] | undefined): string {
  const redirect = typeof location === 'string' ? URL.parse(location, url) : null
  if (redirect === null) return ''
  const shown = show(`${redirect.origin}${redirect.pathname}`)
  return `, which leads to ${shown}; no redirect is followed: correct \`issuer\`, or the address of the keys in \`jwks_uri\``
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
