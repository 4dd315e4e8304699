// Renders the start page of the docs: a picture of the service, the first ten minutes, and links to all pages.

import { html, raw } from 'hono/html'
import { codeBlock } from './highlight.ts'
import type { Markup } from './layout.ts'
import { LISTS } from './list.ts'

const DEMO = 'npm ci && npm run demo'

const CONFIG = `issuers:
  - issuer: https://login.acme.example/   # who signs your users' tokens
    audience: [chat-api]
    algorithms: [RS256]
user: 'issuer + "|" + claims.sub'       # what the registry and ChatKit call them
workflows:
  helpdesk:
    server: http://localhost:8000/chatkit # your ChatKit server
cors: { origins: [https://app.acme.example] }`

/** Its links are relative to `/docs`. */
export function renderStart(): Markup {
  return html`<h1 id="start">ChatKit for the users you already have</h1>
<p class="lead">chatkit-mint stands between your app and ChatKit. It checks who asks by the token that your users have
anyway, gives the page a client secret for a few minutes, and revokes it the moment you say so.</p>
${picture()}
<h2 id="ten-minutes"><a class="anchor" href="#ten-minutes">Ten minutes</a></h2>
<ol class="steps">
<li><h3>See it work</h3>
<p>No key, no network: a sign-in, a ChatKit server and this service, on your machine.</p>
${raw(codeBlock(DEMO, { language: 'sh' }))}</li>
<li><h3>Say who your users are</h3>
<p>Four keys of a config file. <a href="docs/identity-providers">Identity providers</a> has the lines for yours.</p>
${raw(codeBlock(CONFIG, { language: 'yaml' }))}</li>
<li><h3>Put ChatKit on your page</h3>
<p>One element, one import: <a href="docs/html">plain HTML</a>, <a href="docs/react">React</a>,
<a href="docs/nextjs">Next.js</a>. The server behind it: <a href="docs/move-to-self-hosted">two small ones to copy</a>.</p></li>
<li><h3>Go live</h3>
<p><a href="docs/deploy">Deploy</a> it with Docker, Compose or Kubernetes; then <a href="docs/operate">operate</a> it.</p></li>
</ol>
<h2 id="where-next"><a class="anchor" href="#where-next">Where next</a></h2>
<div class="cards">
${LISTS.slice(1).map(
  ({ heading, guides }) => html`<section class="panel"><h3>${heading}</h3>
<ul>${guides.map(({ name, title }) => html`<li><a href="docs/${name}">${title}</a></li>`)}</ul></section>`,
)}
<section class="panel"><h3>For programs</h3>
<ul><li><a href="openapi.json">OpenAPI 3.1, as JSON</a></li>
<li><a href="llms.txt">The guides as text</a></li></ul></section>
</div>`
}

/** The picture is a list, so that screen readers can read it and a phone can show it vertically. */
function picture(): Markup {
  return html`<ol class="picture" aria-label="The path of a message">
<li><b>Your page</b> <span>ChatKit’s element, and the token of your signed-in user</span></li>
<li class="between"><span>token →</span> <span>← client secret</span></li>
<li class="ours"><b>chatkit-mint</b> <span>verifies, maps, limits, remembers, revokes</span></li>
<li class="between"><span>messages →</span> <span>← answer</span></li>
<li><b>Your ChatKit server</b> <span>knows the user for sure, and holds the model’s key</span></li>
</ol>
<p class="fine">Your identity provider (Auth0, Clerk, Keycloak, your own) is asked for its public keys only.</p>`
}
