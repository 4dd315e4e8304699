import { z } from 'zod'
import { parseStrictJson, StrictJsonError } from '../lib/strict-json.ts'
import { firstIssue, invalidToken } from './refusal.ts'

// What no two readers could read differently, before any key is looked at. No I/O, no clock.

/** The longest token, in characters (and bytes: a token of our shape is ASCII). */
const MAX_TOKEN_LENGTH = 8192

/** How many arrays and objects may enclose a value in header or payload. */
const MAX_DEPTH = 32

/** The three header parameters that are looked at (RFC 7515 §4.1). */
export interface TokenHeader {
  readonly alg: string
  readonly kid: string | undefined
  readonly typ: string | undefined
}

/** A compact JWS whose signature nobody has checked. */
export interface SignedToken {
  /** As it came. */
  readonly raw: string
  readonly header: TokenHeader
}

/** A token of the right shape whose signature nobody has checked. */
export interface UnverifiedToken extends SignedToken {
  readonly claims: Readonly<Record<string, unknown>>
}

const refused = (why: string) => z.never({ error: why }).optional()

// `jku`, `jwk`, `x5u` and `x5c` are absent on purpose: a token never says with what it is verified.
const headerSchema = z.looseObject({
  alg: z.string(),
  kid: z.string().max(256).optional(),
  typ: z.string().optional(),
  crit: refused('extensions are not supported'),
  b64: refused('an unencoded payload is not a JWT (RFC 7797 §7)'),
  cty: refused('nested tokens are not accepted'),
})

/**
 * Reads a token as far as it can be read without a key.
 *
 * @param raw - the token as it came
 * @throws ServiceError `invalid_token` unless it is at most 8 KiB of three non-empty segments of
 * canonical base64url, the first two of them strict JSON objects, the header within our rules
 */
export function readToken(raw: string): UnverifiedToken {
  const { header, payload } = openToken(raw)
  return { raw, header, claims: parseObject(payload, 'payload') }
}

/**
 * The part of {@link readToken} that holds for any compact JWS: segments and header. The payload
 * stays bytes.
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
 * Node skips characters that are not base64url and ignores unused bits, so that many texts decode
 * to the same bytes. Only the one that the bytes encode to is accepted: nobody can vary a token.
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
  const value = parse(bytes, name)
  if (!isObject(value)) throw invalidToken(`${name}: not a JSON object`)
  return value
}

function parse(bytes: Uint8Array, name: string): unknown {
  try {
    return parseStrictJson(bytes, MAX_DEPTH)
  } catch (error) {
    if (error instanceof StrictJsonError) throw invalidToken(`${name}: ${error.message}`)
    throw error
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
