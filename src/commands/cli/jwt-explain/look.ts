// Looks at a text that should be a token: finds its claims, or guesses what the text is if it is not a signed JWT. It
// verifies nothing.

import { UNSET } from '../../../authenticate/token-shape.ts'
import { isObject, jsonOrUndefined } from '../../../lib/json.ts'
import { show } from '../../../lib/show.ts'

/** Most claims that are listed, because a token can hold thousands. */
const MOST_CLAIMS = 40

type Json = Readonly<Record<string, unknown>>

/**
 * @param text - as it was given; no result quotes it
 * @returns `hint`: undefined for a signed JWT; `claims`: names, and values as JSON, each cut to 200 characters; none
 * when the text has no readable ones
 */
export function lookAt(text: string) {
  const bare = text.replace(/^["'`]+|["'`,;]+$/g, '')
  const [header, payload] = bare.split('.').map(readJson)
  return { hint: hintFor(text, bare, header), claims: shownClaims(payload) }
}

function hintFor(text: string, bare: string, header: Json | undefined): string | undefined {
  if (bare !== text) return 'it is in quotes: send the text between them'
  if (UNSET.test(text)) return 'it is what a page sends that does not wait for its token'
  if (/\s/.test(text)) return 'it has white space in it: a token is one word'
  if (text.startsWith('{')) return 'it is JSON: the token is one of its values, often access_token'
  if (/^(?:sk-|ek_)/.test(text)) return 'it is a key or client secret of OpenAI, and no user token'
  const segments = text.split('.')
  if (segments.length === 5 && header !== undefined) {
    return `it is encrypted (JWE${named(header, 'enc')}), and only its maker can read it; session cookies of Auth.js are encrypted`
  }
  if (segments.length !== 3 || header === undefined) {
    return 'it is opaque, no JWT: a session id, or an access token for the provider itself (Auth0 without an audience)'
  }
  if (segments[2] === '' || /^none$/i.test(String(header['alg']))) {
    return 'it is not signed: the Firebase emulator makes such tokens, and so can anybody'
  }
  if (text.includes('=')) return 'it has padding ("="), as tokens of AWS load balancers: no JWT has'
  return undefined
}

function named(header: Json, name: string): string {
  return typeof header[name] === 'string' ? `, ${show(header[name])}` : ''
}

function readJson(segment: string): Json | undefined {
  const value = jsonOrUndefined(Buffer.from(segment, 'base64url').toString('utf8'))
  return isObject(value) ? value : undefined
}

function shownClaims(payload: Json = {}): Record<string, string> {
  const shown = Object.entries(payload).slice(0, MOST_CLAIMS)
  // Drops the quotes that `show` adds: JSON has its own.
  return Object.fromEntries(
    shown.map(([name, value]) => [
      show(name).slice(1, -1),
      show(JSON.stringify(value)).slice(1, -1),
    ]),
  )
}
