// The demo's config file.

/**
 * The demo's config file: three workflows, of which only people in support may use the first and the
 * last has a server of its own, admins, and their console.
 *
 * @param issuer - of the embedded sign-in
 * @param server - of the sample ChatKit server
 */
export function demoConfig(issuer: string, server: string): string {
  return `
issuers:
  - issuer: ${issuer}
    audience: [chat-api]
    algorithms: [ES256]
    token_types: [at+jwt]
user: 'claims.sub'
workflows:
  support:
    id: wf_demo_support
    when: '"support" in claims.groups'
    input: { page: { type: string, max_length: 200 } }
    state_variables:
      plan: 'claims.plan'
      page: 'has(input.page) ? input.page : ""'
  general:
    id: wf_demo_general
    state_variables: { plan: 'claims.plan' }
    rate_limits: { max_requests_per_1_minute: 30 }
  helpdesk:
    server: ${server}
    state_variables: { plan: 'claims.plan' }
admins:
  when: '"chatkit-admin" in claims.roles'
console:
  issuer: ${issuer}
  client_id: console
  client_secret_env: CONSOLE_CLIENT_SECRET
# Somebody who tries things out mints more often than somebody who chats.
limits:
  mints_per_user: { max: 100, seconds: 60 }
cors:
  origins: ['http://localhost:3000', 'http://localhost:5173']
`
}
