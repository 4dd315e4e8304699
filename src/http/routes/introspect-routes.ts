// Defines the calls that let self-hosted servers verify what we sign: the key set (RFC 7517) and introspection
// (RFC 7662). Their handlers are in introspect.ts.

import { z } from 'zod'
import { sessionState } from '../../chatkit/wire/session.ts'
import { jsonAnswer, type RouteDefinitions, unixTime } from '../route-definition.ts'

const publicKey = z
  .looseObject({
    kty: z.string().describe('Its kind: EC, OKP or RSA.'),
    kid: z.string().describe('Its id, which a token names.'),
    alg: z.string().optional().describe('The algorithm of its signatures, such as ES256.'),
    use: z.string().optional().describe('Always `sig`.'),
    crv: z.string().optional().describe('The curve, of EC and OKP.'),
    x: z
      .string()
      .optional()
      .describe('EC: the first coordinate. OKP: the public key. In base64url.'),
    y: z.string().optional().describe('EC: the second coordinate. In base64url.'),
    n: z.string().optional().describe('The modulus, of RSA, base64url.'),
    e: z.string().optional().describe('The exponent, of RSA, base64url.'),
  })
  .meta({ id: 'PublicKey', description: 'A public key (RFC 7517), with the members of its kind.' })
const keySet = z
  .object({ keys: z.array(publicKey).describe('All keys that verify.') })
  .meta({ id: 'KeySet', description: 'Public keys.' })

const keyExample = {
  kty: 'EC',
  crv: 'P-256',
  x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
  y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
  alg: 'ES256',
  kid: 'oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U',
  use: 'sig',
}

const introspection = z
  .looseObject({
    active: z.boolean().describe('Whether it is live; only then the other fields are present.'),
    iss: z.string().optional().describe('This service: its `PUBLIC_URL`.'),
    aud: z.string().optional().describe('`chatkit:` and the name of the workflow.'),
    sub: z.string().optional().describe('The ChatKit user.'),
    sid: z.string().optional().describe('The session.'),
    iat: unixTime('When it was minted.').optional(),
    exp: unixTime('When it expires.').optional(),
    workflow: z.string().optional().describe('The name of the workflow.'),
    state: sessionState.optional().describe('Its state variables; absent when it has none.'),
  })
  .meta({ id: 'Introspection', description: 'RFC 7662, section 2.2.' })

const introspectionExample = {
  active: true,
  iss: 'https://chat.example.com',
  aud: 'chatkit:helpdesk',
  sub: 'https://login.acme.example/|alice',
  sid: 'cksess_68e5',
  iat: 1764160000,
  exp: 1764160600,
  workflow: 'helpdesk',
  state: { plan: 'pro' },
}

const introspectionRequest = z
  .object({ token: z.string().max(16_384).describe('The client secret in question.') })
  .meta({ id: 'IntrospectionRequest', description: 'RFC 7662, section 2.1.' })

export const INTROSPECT_ROUTES = {
  keySet: {
    method: 'GET',
    path: '/.well-known/jwks.json',
    checks: [],
    summary: 'The keys that sign client secrets and server tokens',
    description: 'RFC 7517. Cacheable for five minutes.',
    tag: 'chatkit',
    answers: [jsonAnswer('Public keys.', keySet, { keys: [keyExample] })],
  },
  introspect: {
    method: 'POST',
    path: '/v1/introspect',
    checks: ['introspector'],
    summary: 'Whether a self-hosted client secret is live',
    description: 'RFC 7662, for an `introspection` client with HTTP Basic, or an admin.',
    tag: 'chatkit',
    requestBody: {
      schema: introspectionRequest,
      example: { token: 'eyJ…' },
      mediaType: 'application/x-www-form-urlencoded',
    },
    problems: ['rate_limited'],
    answers: [
      jsonAnswer(
        '`{"active": false}` for any secret that is not live, or whose workflow the client may not learn of.',
        introspection,
        introspectionExample,
      ),
    ],
  },
} satisfies RouteDefinitions
