import type { Sample } from './sample.ts'

/** Tokens that an app or its backend signs. */
export const OWN_TOKENS: Record<string, Sample> = {
  'chatkit-mint.yaml': {
    claims: { iss: 'https://login.acme.example/', sub: 'alice', aud: ['chat-api'] },
    typ: 'at+jwt',
    user: 'https://login.acme.example/|alice',
    workflow: 'helpdesk',
    mistakes: {
      'an ID token': { aud: ['web-app'] },
      'an issuer without its slash': { iss: 'https://login.acme.example' },
    },
  },
  'examples/auth-js.yaml': {
    claims: { iss: 'https://app.acme.example', aud: 'chat', sub: 'cm3x4y5z6' },
    typ: 'JWT',
    user: 'https://app.acme.example|cm3x4y5z6',
    workflow: 'helpdesk',
    variables: { plan: 'free' },
    mistakes: {
      'one that the route wrote no audience into': { aud: undefined },
      'one that is kept for an hour': { iat: Math.floor(Date.now() / 1000) - 3600 },
    },
  },
  'examples/better-auth.yaml': {
    claims: {
      iss: 'https://app.acme.example',
      aud: 'https://app.acme.example',
      sub: 'T6Z2zJ8c',
      id: 'T6Z2zJ8c',
      email: 'alice@acme.example',
      emailVerified: false,
      name: 'Alice',
    },
    typ: 'none',
    user: 'https://app.acme.example|T6Z2zJ8c',
    workflow: 'helpdesk',
    variables: { plan: 'free' },
    asAdmin: { email: 'ada@acme.test', emailVerified: true },
    mistakes: {
      'an issuer with the path of its routes': { iss: 'https://app.acme.example/api/auth' },
      'the session kept in a cookie': { iss: undefined, aud: undefined, session: {}, user: {} },
    },
  },
  'examples/self-signed.yaml': {
    claims: { iss: 'https://api.acme.example', aud: 'chat', sub: '4711', plan: 'pro' },
    typ: 'JWT',
    user: /^u_[\w-]{43}$/,
    workflow: 'helpdesk',
    variables: { plan: 'pro', page: '' },
    mistakes: {
      'one without an audience': { aud: undefined },
      'one for a day': { iat: Math.floor(Date.now() / 1000) - 3600 },
    },
  },
}
