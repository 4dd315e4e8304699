/**
 * The demo's config file: three workflows, of which only people in support may use the first and the
 * last has a server of its own, and admins.
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
cors:
  origins: ['http://localhost:3000', 'http://localhost:5173']
`
}
