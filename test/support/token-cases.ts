import { createHmac } from 'node:crypto'
import {
  claimsOf,
  createSigner,
  handMade,
  type KeyPairSigner,
  type Part,
  signDer,
  withSameKey,
} from './tokens.ts'

export interface TokenScene {
  /** A key of the issuer, with the `kid` `shared-kid`. */
  readonly es: KeyPairSigner
  /** Another, RS256, with the `kid` `rsa`. */
  readonly rs: KeyPairSigner
  /** A key of another configured issuer, with the same `kid`. */
  readonly foreign: KeyPairSigner
  /** The issuer; asked when a token is made. */
  readonly issuer: () => string
}

/** A token, its description, and the reason for its refusal. */
export type RefusedCase = readonly [name: string, token: () => string, reason: RegExp]

const ES = { alg: 'ES256', kid: 'shared-kid' }

/**
 * Tokens that a service must accept, or refuse as `invalid_token`, each for its own reason. Its config
 * has the issuer of `es` and `rs` with ES256 and RS256 and the audience `chat-api`.
 */
export function createTokenCases(scene: TokenScene) {
  const { es, rs, foreign, issuer } = scene
  const stranger = createSigner('ES256', 'stranger')
  const claims = (changes = {}) => claimsOf(issuer(), Date.now(), changes)
  const seconds = () => Math.floor(Date.now() / 1000)
  const good = () => es.token(claims())
  const signed = (header: Part, payload: Part = claims()) => handMade(header, payload, es.sign)

  const refused: readonly RefusedCase[] = [
    ['alg none', () => signed({ alg: 'none' }), /alg/],
    ['alg nOnE', () => signed({ alg: 'nOnE' }), /alg/],
    ['alg missing', () => signed({ kid: 'shared-kid' }), /header: alg/],
    ['alg null', () => signed({ alg: null }), /header: alg/],
    ['alg an array', () => signed({ alg: ['ES256'] }), /header: alg/],
    ['no signature', () => `${good().split('.').slice(0, 2).join('.')}.`, /segments/],
    ['HS256 with the public key', () => hmacWithPublicKey(), /alg/],
    ['an algorithm not on the list', () => withSameKey(rs, 'RS512').token(claims()), /alg/],
    [
      'PS256 under an RS256 header',
      () => handMade({ alg: 'RS256', kid: 'rsa' }, claims(), withSameKey(rs, 'PS256').sign),
      /signature/,
    ],
    ['a DER-encoded signature', () => handMade(ES, claims(), signDer(es)), /signature/],
    ['an all-zero signature', () => handMade(ES, claims(), Buffer.alloc(64)), /signature/],
    ['a changed payload', () => changed(good()), /signature/],
    ['kid a path', () => signed({ ...ES, kid: '../../etc/passwd' }), /kid|key/],
    ['kid SQL', () => signed({ ...ES, kid: "' OR 1=1 --" }), /kid|key/],
    ['kid __proto__', () => signed({ ...ES, kid: '__proto__' }), /kid|key/],
    ['kid of 5 KB', () => signed({ ...ES, kid: 'k'.repeat(5000) }), /kid/],
    ['kid an object', () => signed({ ...ES, kid: { a: 1 } }), /kid/],
    ['a key that is nobody’s', () => stranger.token(claims()), /key/],
    ['crit', () => signed({ ...ES, crit: ['exp'] }), /crit/],
    ['b64: false', () => signed({ ...ES, b64: false }), /b64/],
    ['five segments', () => 'e30.e30.e30.e30.e30', /segments/],
    ['a nested token', () => signed({ ...ES, cty: 'JWT' }), /cty/],
    ['typ logout+jwt', () => signed({ ...ES, typ: 'logout+jwt' }), /typ/],
    ['typ dpop+jwt', () => signed({ ...ES, typ: 'dpop+jwt' }), /typ/],
    ['typ secevent+jwt', () => signed({ ...ES, typ: 'secevent+jwt' }), /typ/],
    ['another issuer’s key with the same kid', () => foreign.token(claims()), /signature/],
    ['iss with a slash behind', () => es.token(claims({ iss: `${issuer()}/` })), /issuer/],
    ['iss in another case', () => es.token(claims({ iss: issuer().toUpperCase() })), /issuer/],
    ['iss an array', () => es.token(claims({ iss: [issuer()] })), /iss/],
    ['aud absent', () => es.token(claims({ aud: undefined })), /aud/],
    ['aud other', () => es.token(claims({ aud: 'other' })), /aud/],
    ['aud a prefix of ours', () => es.token(claims({ aud: 'chat' })), /aud/],
    ['aud a suffix of ours', () => es.token(claims({ aud: 'my-chat-api' })), /aud/],
    ['aud an object', () => es.token(claims({ aud: { 'chat-api': true } })), /aud/],
    ['exp absent', () => es.token(claims({ exp: undefined })), /exp/],
    ['exp null', () => es.token(claims({ exp: null })), /exp/],
    ['exp text', () => es.token(claims({ exp: String(seconds() + 300) })), /exp/],
    ['exp in milliseconds', () => es.token(claims({ exp: Date.now() + 300_000 })), /exp/],
    ['exp beyond all numbers', () => signed(ES, withExp('1e999')), /exp/],
    ['nbf in the future', () => es.token(claims({ nbf: seconds() + 90 })), /nbf/],
    ['iat in the future', () => es.token(claims({ iat: seconds() + 90 })), /iat/],
    ['sub absent', () => es.token(claims({ sub: undefined })), /sub/],
    ['sub empty', () => es.token(claims({ sub: '' })), /sub/],
    ['sub a number', () => es.token(claims({ sub: 7 })), /sub/],
    ['sub of 256 characters', () => es.token(claims({ sub: 'x'.repeat(256) })), /sub/],
    ['sub with NUL', () => es.token(claims({ sub: 'a\0b' })), /sub/],
    ['sub with a lone surrogate', () => es.token(claims({ sub: 'a\ud800' })), /sub/],
    ['sub with a bidi control', () => es.token(claims({ sub: 'a\u202eb' })), /sub/],
    [
      'a repeated claim',
      () => signed(ES, `{"sub":"bob",${JSON.stringify(claims()).slice(1)}`),
      /key/,
    ],
    ['3,000 levels', () => signed(ES, deep(3000)), /levels/],
    ['over 12 KiB', () => es.token(claims({ pad: 'x'.repeat(9300) })), /12 KiB/],
    ['another last character', () => otherLastCharacter(good()), /base64url/],
    ['padding', () => `${good()}=`, /base64url/],
    ['not a token', () => 'hunter2', /segments/],
  ]

  const accepted: readonly (readonly [name: string, token: () => string])[] = [
    ['aud an array that contains ours', () => es.token(claims({ aud: ['other', 'chat-api'] }))],
    ['jku, x5u and jwk are ignored', () => signed({ ...ES, jku: 'http://127.0.0.1:9/', jwk: {} })],
    ['RS256', () => rs.token(claims())],
    ['no typ', () => signed(ES)],
  ]

  function hmacWithPublicKey(): string {
    const pem = rs.publicKey.export({ type: 'spki', format: 'pem' })
    const sign = (input: string) => createHmac('sha256', pem).update(input).digest()
    return handMade({ alg: 'HS256', kid: 'rsa' }, claims(), sign)
  }

  /** The same header and signature over claims of somebody else. */
  function changed(token: string): string {
    const [header, , signature] = token.split('.')
    const payload = Buffer.from(JSON.stringify(claims({ sub: 'bob' }))).toString('base64url')
    return `${header}.${payload}.${signature}`
  }

  function withExp(text: string): string {
    return JSON.stringify(claims({ exp: 0 })).replace('"exp":0', `"exp":${text}`)
  }

  function deep(levels: number): string {
    return `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`
  }

  /** The last character of a 64-byte signature holds four unused bits. */
  function otherLastCharacter(token: string): string {
    const last = token.at(-1) ?? ''
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    return token.slice(0, -1) + alphabet[alphabet.indexOf(last) + 1]
  }

  return { refused, accepted, ES, signed, claims }
}
