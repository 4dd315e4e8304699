// Checks the form of a token, so that no two programs can read it differently. No keys, no I/O, no clock.

import { z } from 'zod'
import { firstIssue } from '../lib/errors.ts'
import { isObject, parseStrictJson, StrictJsonError } from '../lib/json.ts'
import { show, showAll } from '../lib/show.ts'
import { invalidToken } from './refusal.ts'

/**
 * Longest token, in characters: enough for 200 groups of Entra ID. A well-formed token is ASCII, so this is
 * also its length in bytes.
 */
const MAX_TOKEN_LENGTH = 12_288
/** Texts that JavaScript makes of a variable that holds no token. */
export const UNSET = /^(?:undefined|null|\[object \w+\])$/

/** Most levels of arrays and objects in the header or the payload. */
const MAX_DEPTH = 32

/** The three header parameters that this service uses (RFC 7515 §4.1). Tokens with the same header share one object. */
export interface TokenHeader {
  readonly alg: string
  readonly kid: string | undefined
  readonly typ: string | undefined
}

/** A compact JWS (RFC 7515 §7.1) whose signature is not verified yet. */
export interface SignedToken {
  /** The text of the token, unchanged. */
  readonly raw: string
  readonly header: TokenHeader
}

/** A well-formed token whose signature is not verified yet. */
export interface UnverifiedToken extends SignedToken {
  readonly claims: Readonly<Record<string, unknown>>
}

const refused = (why: string) => z.never({ error: why }).optional()

// `jku`, `jwk`, `x5u` and `x5c` are ignored: a token must not bring the key that verifies it.
const headerSchema = z.looseObject({
  alg: z.string(),
  kid: z.string().max(256).optional(),
  typ: z.string().optional(),
  crit: refused('extensions are not supported'),
  b64: refused('an unencoded payload is not a JWT (RFC 7797 §7)'),
  cty: refused('nested tokens are not accepted'),
})

/**
 * Splits a token, decodes its parts, and checks their form. Needs no key.
 *
 * @param raw - the text of the token, unchanged
 * @throws ServiceError `invalid_token` unless it is at most 12 KiB of three non-empty segments of
 * canonical base64url, the first two of them strict JSON objects, and the header valid by `headerSchema`
 */
export function readToken(raw: string): UnverifiedToken {
  if (raw.length > MAX_TOKEN_LENGTH) throw invalidToken('longer than 12 KiB')
  const { header, payload } = openToken(raw)
  return { raw, header, claims: parseObject(payload, 'payload') }
}

/**
 * The claims of an ID token that the provider itself gave us, by the rules of {@link readToken}. It may be longer, since
 * no request carries it.
 *
 * @throws ServiceError `invalid_token`
 */
export function readIdToken(raw: string): Readonly<Record<string, unknown>> {
  return parseObject(openToken(raw).payload, 'payload')
}

/**
 * The part of {@link readToken} that any compact JWS must pass: segments and header. The payload is
 * not parsed, and the length is not bounded.
 *
 * @throws ServiceError `invalid_token`
 */
export function openToken(raw: string): SignedToken & { readonly payload: Uint8Array } {
  const segments = raw.split('.', 4)
  const [header, payload, signature] = segments
  if (segments.length !== 3 || !header || !payload || !signature) {
    const unset = UNSET.test(raw)
      ? `: the text ${show(raw)}, as a page sends before it has a token`
      : ''
    throw invalidToken(`not three non-empty segments${unset}`)
  }
  const read = readHeader(header)
  const payloadBytes = decodeSegment(payload, 'payload')
  decodeSegment(signature, 'signature')
  return { raw, header: read, payload: payloadBytes }
}

/**
 * Node's decoder skips characters that are not base64url and ignores unused bits, so many texts decode to the same
 * bytes. Only the text that encoding these bytes gives is accepted, so that nobody can write one token in two ways.
 */
function decodeSegment(segment: string, name: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url')
  if (bytes.toString('base64url') !== segment) {
    const start = /^(?:["'`]|bearer )/i.exec(segment)
    const begins =
      start === null ? '' : `, begins with a ${start[0].length === 1 ? 'quote' : 'second "Bearer"'}`
    throw invalidToken(`${name}: not strict base64url${begins}`)
  }
  return bytes
}

/** Headers that were read, by their segments: the tokens of an issuer share one until its key changes. */
const knownHeaders = new Map<string, TokenHeader>()
const MOST_KNOWN = 100
/** A longer header is read each time, so that the map stays small. */
const MOST_BYTES = 1000

function readHeader(segment: string): TokenHeader {
  const known = knownHeaders.get(segment)
  if (known !== undefined) return known
  const bytes = decodeSegment(segment, 'header')
  const result = headerSchema.safeParse(parseObject(bytes, 'header'))
  if (!result.success) throw invalidToken(`header: ${firstIssue(result.error)}`)
  const { alg, kid, typ } = result.data
  const header = { alg, kid, typ }
  if (bytes.length > MOST_BYTES) return header
  if (knownHeaders.size >= MOST_KNOWN) knownHeaders.clear()
  // Encoded anew, because a part of the token would keep the whole token in memory.
  knownHeaders.set(bytes.toString('base64url'), header)
  return header
}

function parseObject(bytes: Uint8Array, name: string): Record<string, unknown> {
  try {
    const value = parseStrictJson(bytes, MAX_DEPTH)
    if (isObject(value)) return value
  } catch (error) {
    if (error instanceof StrictJsonError) throw invalidToken(`${name}: ${error.message}`)
    throw error
  }
  throw invalidToken(`${name}: not a JSON object`)
}

/** Where the issuer's tokens have no `typ`. */
const ADD_NONE = '; add none to token_types if the tokens of this issuer have no typ'

/**
 * Checks the `typ` of a token against a list, so that a token made for one purpose does not serve
 * another (RFC 8725 §3.11). Case and an `application/` prefix do not count (RFC 7515 §4.1.9).
 *
 * @param typ - header parameter, undefined when absent
 * @param accepted - lower case, without prefix; `none` stands for a token without `typ`
 * @throws ServiceError `invalid_token`
 */
export function checkTokenType(typ: string | undefined, accepted: readonly string[]): void {
  if (typ === undefined) {
    if (!accepted.includes('none')) {
      throw invalidToken(`typ is absent, expected ${showAll(accepted)}${ADD_NONE}`)
    }
    return
  }
  const name = typ.toLowerCase().replace(/^application\//, '')
  // In the list, `none` stands for an absent `typ`, so a token that says `"typ": "none"` is refused.
  if (name === 'none' || !accepted.includes(name)) {
    throw invalidToken(`typ ${show(typ)} is not accepted, expected ${expectedTypes(accepted)}`)
  }
}

function expectedTypes(accepted: readonly string[]): string {
  const named = accepted.filter((one) => one !== 'none')
  const types = named.length === 0 ? [] : [`${showAll(named)} in any case`]
  return [...types, ...(named.length < accepted.length ? ['no typ'] : [])].join(' or ')
}
