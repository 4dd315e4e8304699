// Checks the form of a token, so that no two programs can read it differently. No keys, no I/O, no clock.
import { z } from 'zod'
import { parseStrictJson, StrictJsonError } from '../lib/strict-json.ts'
import { firstIssue, invalidToken, show } from './refusal.ts'

/** The longest token, in characters, which are bytes: a well-formed token is ASCII. */
const MAX_TOKEN_LENGTH = 8192

/** Most arrays and objects that may enclose a value in header or payload. */
const MAX_DEPTH = 32

/** The three header parameters that count here (RFC 7515 §4.1). */
export interface TokenHeader {
  readonly alg: string
  readonly kid: string | undefined
  readonly typ: string | undefined
}

/** A compact JWS (RFC 7515 §7.1) whose signature nobody has checked. */
export interface SignedToken {
  /** As it came. */
  readonly raw: string
  readonly header: TokenHeader
}

/** A well-formed token whose signature nobody has checked. */
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
 * Reads a token as far as that needs no key.
 *
 * @param raw - the token as it came
 * @throws ServiceError `invalid_token` unless it is at most 8 KiB of three non-empty segments of
 * canonical base64url, the first two of them strict JSON objects, the header as `headerSchema` wants it
 */
export function readToken(raw: string): UnverifiedToken {
  const { header, payload } = openToken(raw)
  return { raw, header, claims: parseObject(payload, 'payload') }
}

/**
 * The part of {@link readToken} that any compact JWS must pass: segments and header. The payload is
 * not parsed.
 *
 * @throws ServiceError `invalid_token`
 */
export function openToken(raw: string): SignedToken & { readonly payload: Uint8Array } {
  if (raw.length > MAX_TOKEN_LENGTH) throw invalidToken('longer than 8 KiB')
  const segments = raw.split('.', 4)
  const [header, payload, signature] = segments
  if (segments.length !== 3 || !header || !payload || !signature) {
    throw invalidToken('not three non-empty segments')
  }
  const headerBytes = decodeSegment(header, 'header')
  const payloadBytes = decodeSegment(payload, 'payload')
  decodeSegment(signature, 'signature')
  return { raw, header: readHeader(headerBytes), payload: payloadBytes }
}

/**
 * Node skips characters that are not base64url and ignores unused bits, so many texts decode to the
 * same bytes. Only the text that the bytes encode to is accepted, so nobody can vary a token.
 */
function decodeSegment(segment: string, name: string): Buffer {
  const bytes = Buffer.from(segment, 'base64url')
  if (bytes.toString('base64url') !== segment) throw invalidToken(`${name}: not strict base64url`)
  return bytes
}

function readHeader(bytes: Uint8Array): TokenHeader {
  const result = headerSchema.safeParse(parseObject(bytes, 'header'))
  if (!result.success) throw invalidToken(`header: ${firstIssue(result.error)}`)
  const { alg, kid, typ } = result.data
  return { alg, kid, typ }
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

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

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
    if (!accepted.includes('none')) throw invalidToken('typ is absent')
    return
  }
  const name = typ.toLowerCase().replace(/^application\//, '')
  // A written "none" is a type like any other, and the list cannot mean it.
  if (name === 'none' || !accepted.includes(name)) {
    throw invalidToken(`typ ${show(typ)} is not accepted`)
  }
}
