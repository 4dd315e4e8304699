// The part of the config schema for one entry of `issuers`.

import { z } from 'zod'
import { hasPrivateMembers } from '../../lib/key-set.ts'
import { MOST_TENANTS } from '../settings.ts'
import {
  between,
  checkedText,
  environmentName,
  exactText,
  expression,
  issuerName,
  patternText,
  urlProblem,
} from './checked-text.ts'
import { tokenHeader } from './header-names.ts'

/** Signature algorithms with a public key: RFC 7518 §3.1, RFC 8037, RFC 9864. */
const ASYMMETRIC_ALGORITHMS = [
  ...(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
] as const

/** Signature algorithms with a shared secret, the one in `secret_env`. */
export const SECRET_ALGORITHMS = ['HS256', 'HS384', 'HS512'] as const

/** Types of JWT that are never a user's token, whoever signed them. */
const OTHER_TOKENS = new Set(['logout+jwt', 'dpop+jwt', 'secevent+jwt'])

const algorithms = z.array(z.enum([...ASYMMETRIC_ALGORITHMS, ...SECRET_ALGORITHMS])).min(1)

const publicKey = z
  .looseObject({
    kty: patternText(/^(?!oct$)./, 'must be the kind of a public key, as RSA, EC or OKP').describe(
      'Its kind; RFC 7517 names the rest. Keys of other kinds than RSA, EC and OKP are left out.',
    ),
  })
  .refine((key) => !hasPrivateMembers(key), {
    error: 'has members of a private key; put only the public key here, and replace the leaked one',
  })

/** The form of a key set that is written in the file; which of its keys can be used is judged elsewhere. */
export const inlineKeySet = z.strictObject({
  keys: z.array(publicKey).min(1).max(100).describe('The public keys (RFC 7517).'),
})

const tokenType = checkedText((value) => {
  if (!/^[\w!#$&^.+-]+(?:\/[\w!#$&^.+-]+)?$/.test(value))
    return 'must be a media type, as in at+jwt'
  if (!OTHER_TOKENS.has(normaliseTokenType(value))) return undefined
  return 'is a token of another kind; it must never pass for a user token'
})

const logoutSchema = z
  .strictObject({
    client_ids: z
      .array(exactText)
      .min(1)
      .describe('Client ids; the logout token must carry one of them in `aud`.')
      .meta({ examples: [['web-app']] }),
    algorithms: algorithms
      .optional()
      .describe("Signature algorithms of logout tokens; without it the issuer's `algorithms`."),
  })
  .describe(
    'Accept OpenID Connect back-channel logout tokens from this issuer, at `/v1/backchannel-logout`: the URI to register there.',
  )

export const issuerSchema = z
  .strictObject({
    issuer: issuerName
      .describe(
        'Compared exactly with the `iss` claim, trailing slash included. A URL where keys are discovered (https, or http on loopback); any text of 1 to 512 characters elsewhere.',
      )
      .meta({ examples: ['https://login.acme.example/'] }),
    tenants: z
      .array(
        patternText(/^[A-Za-z0-9-]{1,64}$/, 'must be the id of a tenant, as in the tid of a token'),
      )
      .min(1)
      .max(MOST_TENANTS)
      .optional()
      .describe('Entra ID: the tenants whose tokens count, when `issuer` has `{tenantid}` in it.')
      .meta({ examples: [['11111111-2222-3333-4444-555555555555']] }),
    audience: z
      .array(exactText)
      .min(1)
      .optional()
      .describe(
        'The token must carry one of these in `audience_claim`; absent only with `audience_claim: none`.',
      )
      .meta({ examples: [['chat-api']] }),
    audience_claim: z
      .enum(['aud', 'client_id', 'azp', 'none'])
      .default('aud')
      .describe(
        'The claim that names the audience: `client_id` for Cognito access tokens, `azp` for Clerk; `none` accepts every token of the issuer (WorkOS) and is refused for issuers that many customers share.',
      ),
    audience_when_absent: z
      .enum(['refuse', 'accept'])
      .default('refuse')
      .describe(
        '`accept` takes a token with none of `aud`, `azp` and `client_id`, except from a cookie.',
      ),
    algorithms: algorithms
      .describe(
        'Accepted signature algorithms, as tokens name them; HS* only with `secret_env`. `EdDSA` and `Ed25519` are two names of one algorithm: list the one that tokens have, or both; the key may have either.',
      )
      .meta({ examples: [['RS256', 'ES256']] }),
    jwks_uri: checkedText(urlProblem)
      .optional()
      .describe(
        'Key set to fetch, over https, or http on loopback; OIDC discovery finds it when this is absent.',
      )
      .meta({ examples: ['https://login.acme.example/jwks.json'] }),
    jwks: inlineKeySet.optional().describe('Public keys, written here instead of fetched.'),
    secret_env: environmentName
      .optional()
      .describe(
        'Environment variable with the shared secret of HS* tokens, at least 32 bytes; beside a key set it verifies HS* alone.',
      )
      .meta({ examples: ['JWT_SECRET'] }),
    insecure_http: z
      .boolean()
      .default(false)
      .describe(
        'Whether `issuer` and `jwks_uri` may be plain http beyond loopback, in a network of your own.',
      ),
    token_types: z
      .array(tokenType)
      .min(1)
      .default(['at+jwt', 'JWT', 'none'])
      .describe('Accepted `typ` headers; `none` stands for a token without one.'),
    required_claims: z
      .array(exactText)
      .default([])
      .describe('Claims that must be present, besides `exp` and `sub`.')
      .meta({ examples: [['email']] }),
    clock_tolerance_seconds: between(0, 120)
      .default(30)
      .describe('Seconds by which the clocks of issuer and service may differ.'),
    max_token_age_seconds: between(1, 315_360_000)
      .optional()
      .describe('Refuse a token whose `iat` is longer ago, in seconds.')
      .meta({ examples: [86_400] }),
    stale_keys_seconds: between(0, 2_592_000)
      .default(86_400)
      .describe(
        'Seconds for which known keys are used while the key set cannot be fetched. Fewer than 600 make fetches as frequent, but not more than one in 5 s.',
      ),
    cookie: patternText(/^[\w!#$%&'*+.^`|~-]+$/, 'must be a cookie name')
      .optional()
      .describe(
        'Also accept the token from this cookie, without an `Authorization` header and from an exactly allowed origin alone.',
      )
      .meta({ examples: ['__session'] }),
    token_header: tokenHeader
      .optional()
      .describe(
        'Header in which a proxy puts the bare token. When a request has it, only this token counts. Not for admin calls.',
      )
      .meta({ examples: ['Cf-Access-Jwt-Assertion'] }),
    sessions_end_with_token: z
      .boolean()
      .default(false)
      .describe("Cap a session's life at the token's remaining life."),
    user: expression
      .optional()
      .describe('CEL → string; overrides the top-level `user` for tokens of this issuer.')
      .meta({ examples: ['claims.sub'] }),
    logout: logoutSchema.optional(),
  })
  .describe('An issuer whose tokens are accepted.')

/**
 * The form in which a `typ` is compared: without `application/` (RFC 7515 §4.1.9) and in lower case, as media
 * types ignore case.
 */
export function normaliseTokenType(type: string): string {
  return type.toLowerCase().replace(/^application\//, '')
}
