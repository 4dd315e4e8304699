/**
 * The demo's config file: two workflows, of which only people in support may use the first, and
 * admins.
 *
 * @param issuer - of the embedded sign-in
 */
export function demoConfig(issuer: string): string {
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
admins:
  when: '"chatkit-admin" in claims.roles'
cors:
  origins: ['http://localhost:3000', 'http://localhost:5173']
`
}
