// The text that the demo prints: what runs, and lines to paste.

import { takenLine } from '../usual-port.ts'

/** Facts of this run that the introduction tells. */
export interface DemoFacts {
  /** The port that the service was to have; 0 for any. */
  readonly port: number
  /** Addresses of the four servers. */
  readonly urls: Readonly<Record<'service' | 'signIn' | 'chatkit' | 'server', string>>
  /** Access tokens. */
  readonly tokens: { readonly alice: string; readonly bob: string; readonly ada: string }
  /** Body of the answer to the first mint, as it was received. */
  readonly answer: string
}

/**
 * The text that the demo prints: what runs, the first session, and lines to paste. Every line to paste is whole
 * in itself, and so is the answer, so that scripts find them.
 *
 * @param facts - of this run
 */
export function introduction({ port, urls, tokens, answer }: DemoFacts): string {
  const sessions = `${urls.service}/v1/sessions`
  const mint = (token: string) => `curl -sS -X POST ${sessions} -H 'Authorization: Bearer ${token}'`
  const withBody = (token: string, body: object) =>
    `${mint(token)} -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`
  const admin = (method: string, path: string, body?: object) =>
    `curl -sS -X ${method} ${urls.service}/v1/admin${path} -H 'Authorization: Bearer ${tokens.ada}'` +
    (body ? ` -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'` : '')
  // A client secret of its own for each line, so that every line is whole in itself.
  const chat = (token: string, request: object) =>
    `curl -sSN -X POST ${urls.service}/chatkit/helpdesk -H "Authorization: Bearer $(` +
    `${withBody(token, { workflow: 'helpdesk' })} | sed 's/.*:"//; s/".*//')"` +
    ` -H 'Content-Type: application/json' -d '${JSON.stringify(request)}'`
  const message = {
    type: 'threads.create',
    params: {
      input: {
        content: [{ type: 'input_text', text: 'Where is my parcel?' }],
        attachments: [],
        inference_options: {},
      },
    },
  }
  return `
chatkit-mint demo: everything runs on this machine, in memory; no key, no network. Ctrl-C ends it.

  ${urls.service}  the service: takes a user's token, answers with a ChatKit client secret.
  ${urls.signIn}  the sign-in: an OpenID provider that knows alice, bob, and ada, who is an admin.
  ${urls.chatkit}  the ChatKit API: stands in for OpenAI's, creates the sessions of hosted workflows.
  ${urls.server}  a ChatKit server of one's own, unguarded like the samples: for the workflow "helpdesk".
${takenLine(port, urls.service)}
Open ${urls.service}/demo in a browser: sign in as alice or bob, mint, revoke, chat, and see each step.
The admin console is at ${urls.service}/admin: sign in as ada.

alice has signed in, and the service has minted a session for her:

${answer}

Lines to paste into another terminal; the tokens in them are good for 12 hours.

Another session for alice, whose default workflow is "support", a hosted one (OpenAI runs those until 2026-11-30):
${mint(tokens.alice)}

alice writes to the self-hosted workflow "helpdesk": the gateway lets her through, and streams the answer:
${chat(tokens.alice, message)}

bob asks that server for its threads, which it would all show him, and sees only his own:
${chat(tokens.bob, { type: 'threads.list', params: {} })}

bob is not in the group "support", so his default is "general":
${mint(tokens.bob)}

alice asks for a workflow by name:
${withBody(tokens.alice, { workflow: 'general' })}

alice says which page she is on; the config makes a state variable of it:
${withBody(tokens.alice, { input: { page: '/invoices' } })}

bob asks for a workflow that is not his, and is refused:
${withBody(tokens.bob, { workflow: 'support' })}

ada, who is an admin, takes alice's sessions back, for an hour; then try alice's first line again:
${admin('POST', '/users/alice/revoke', { block_seconds: 3600 })}

ada looks at who has which sessions, and at who did what:
${admin('GET', '/sessions')}
${admin('GET', '/audit')}

ada lifts the block:
${admin('DELETE', '/users/alice/block')}

What the ChatKit API was sent, user, workflow and state variables included:
curl -sS ${urls.chatkit}/_embedded/requests

Is the service ready?
curl -sS -i ${urls.service}/readyz

`
}
