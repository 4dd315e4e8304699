// The text of the demo's config file.

/**
 * Two self-hosted workflows, the first of which is for people in support only, a hosted one, admins, and their console.
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
    server: ${server}
    when: '"support" in claims.groups'
    input: { page: { type: string, max_length: 200 } }
    state_variables:
      plan: 'claims.plan'
      page: 'has(input.page) ? input.page : ""'
  helpdesk:
    server: ${server}
    state_variables: { plan: 'claims.plan' }
  general: # OpenAI runs hosted workflows until 2026-11-30
    id: wf_demo_general
    input: { page: { type: string, max_length: 200 } }
    state_variables:
      plan: 'claims.plan'
      page: 'has(input.page) ? input.page : ""'
    rate_limits: { max_requests_per_1_minute: 30 }
admins:
  when: '"chatkit-admin" in claims.roles'
console:
  issuer: ${issuer}
  client_id: console
  client_secret_env: CONSOLE_CLIENT_SECRET
# Trying things out takes more mints than chatting.
limits:
  mints_per_user: { max: 100, seconds: 60 }
cors:
  origins: ['http://localhost:3000', 'http://localhost:5173']
`
}
