// Writes the text that the demo prints: the servers that run, and lines to paste.

import { takenLine } from '../usual-port.ts'

/** Facts of this run for the introduction. */
interface DemoFacts {
  /** The port wanted for the service; 0 for any. */
  readonly port: number
  /** Addresses of the four servers. */
  readonly urls: Readonly<Record<'service' | 'signIn' | 'server' | 'chatkit', string>>
  /** Access tokens. */
  readonly tokens: { readonly alice: string; readonly bob: string; readonly ada: string }
  /** Body of the answer to the first mint, as it was received. */
  readonly answer: string
}

/** The text. Every line to paste is complete on one line, and so is the answer, so that scripts find them. */
export function introduction({ port, urls, tokens, answer }: DemoFacts): string {
  const sessions = `${urls.service}/v1/sessions`
  const mint = (token: string) => `curl -sS -X POST ${sessions} -H 'Authorization: Bearer ${token}'`
  const withBody = (token: string, body: object) =>
    `${mint(token)} -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`
  const admin = (method: string, path: string, body?: object) =>
    `curl -sS -X ${method} ${urls.service}/v1/admin${path} -H 'Authorization: Bearer ${tokens.ada}'` +
    (body ? ` -H 'Content-Type: application/json' -d '${JSON.stringify(body)}'` : '')
  // Each line mints a client secret of its own, so that it works alone.
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
  ${urls.server}  the ChatKit server: one's own, unguarded like the samples; runs the workflows "support" and "helpdesk".
  ${urls.chatkit}  the ChatKit API: stands in for OpenAI's, which runs hosted workflows until 2026-11-30.
${takenLine(port, urls.service)}
Open ${urls.service}/demo in a browser: sign in as alice or bob, mint, revoke, chat, and see each step.
The admin console is at ${urls.service}/admin: sign in as ada.

alice has signed in, and the service has minted a session of a self-hosted workflow for her:

${answer}

Lines to paste into another terminal; the tokens in them are good for 12 hours.

Another session for alice, whose default workflow is "support", on one's own server:
${mint(tokens.alice)}

alice writes to "helpdesk", which runs there as well: the gateway lets her through, and streams the answer:
${chat(tokens.alice, message)}

bob asks that server for its threads, which it would all show him, and sees only his own:
${chat(tokens.bob, { type: 'threads.list', params: {} })}

bob is not in the group "support", so his default is "helpdesk":
${mint(tokens.bob)}

alice says which page she is on; the config makes a state variable of it, for the server to read:
${withBody(tokens.alice, { input: { page: '/invoices' } })}

bob asks for a workflow that is not his, and is refused:
${withBody(tokens.bob, { workflow: 'support' })}

alice asks for "general" by name: an existing hosted workflow, which OpenAI runs until 2026-11-30:
${withBody(tokens.alice, { workflow: 'general' })}

bob asks for it too, and says which page he is on:
${withBody(tokens.bob, { workflow: 'general', input: { page: '/prices' } })}

What the ChatKit API was sent for these two, user, workflow and state variables included:
curl -sS ${urls.chatkit}/_embedded/requests

ada, who is an admin, revokes alice's sessions and blocks her for an hour; then try alice's first line again:
${admin('POST', '/users/alice/revoke', { block_seconds: 3600 })}

ada looks at who has which sessions, and at who did what:
${admin('GET', '/sessions')}
${admin('GET', '/audit')}

ada lifts the block:
${admin('DELETE', '/users/alice/block')}

Is the service ready?
curl -sS -i ${urls.service}/readyz

`
}
