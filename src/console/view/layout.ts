// The frame of every page: head, navigation, search, sign-out button.

import { html } from 'hono/html'
import type { Addresses } from '../addresses.ts'
import type { SignIn } from '../sign-in/sign-in-cookie.ts'

/** A piece of a page. The `html` tag escapes every value put into it. */
export type Html = ReturnType<typeof html>

type Section = 'overview' | 'sessions' | 'users' | 'threads' | 'blocks' | 'audit' | 'figures'

/** The parts of a page apart from its content. */
export interface PageFrame {
  /** Title of the window, and first heading. */
  readonly title: string
  /** The admin who sees the page; undefined on pages for everyone. */
  readonly signIn?: SignIn | undefined
  readonly section?: Section | undefined
  /** The result of the last form. It has the focus, because screen readers do not announce what a page begins with. */
  readonly notice?: string | undefined
  /** Whether the page draws charts. */
  readonly charts?: boolean
}

/** `maxlength` of a field for a user: it counts UTF-16 units, and each of 512 characters may take two. */
export const USER_UNITS = 1024

const SECTIONS: readonly (readonly [Section, string, string])[] = [
  ['overview', '', 'Overview'],
  ['sessions', '/sessions', 'Sessions'],
  ['threads', '/threads', 'Threads'],
  ['users', '/users', 'Users'],
  ['blocks', '/blocks', 'Blocks'],
  ['audit', '/audit', 'Audit'],
  ['figures', '/figures', 'Figures'],
]

/** Everything before the content, for a page that grows while it is read. */
export function pageStart(addresses: Addresses, frame: PageFrame): Html {
  const { root } = addresses
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${frame.title} · chatkit-mint console</title>
<link rel="icon" href="${root}/assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${root}/assets/console.css">
${frame.signIn === undefined ? '' : html`<script src="${root}/assets/pages.js" defer></script>`}
${frame.charts ? html`<script src="${root}/assets/charts.js" defer></script>` : ''}
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
${header(addresses, frame)}
<main id="content" tabindex="-1">
${frame.notice === undefined ? '' : html`<p class="notice" role="status" tabindex="-1" autofocus>${frame.notice}</p>`}
<h1>${frame.title}</h1>
`
}

/** Everything after the content. */
export function pageEnd({ signIn }: PageFrame): Html {
  const foot = 'Times are UTC. What is looked at and done here is in the audit.'
  return html`
</main>
${signIn === undefined ? '' : html`<footer class="foot">${foot}</footer>`}
</body>
</html>
`
}

export function renderPage(addresses: Addresses, frame: PageFrame, content: Html): Html {
  return html`${pageStart(addresses, frame)}${content}${pageEnd(frame)}`
}

function header(addresses: Addresses, { signIn, section }: PageFrame): Html {
  const { root } = addresses
  const brand = html`<a class="brand" href="${root}">chatkit-mint <span>console</span></a>`
  if (signIn === undefined) return html`<header class="top">${brand}</header>`
  const links = SECTIONS.map(([name, path, label]) => {
    const current = name === section ? html` aria-current="page"` : ''
    return html`<li><a href="${root}${path}"${current}>${label}</a></li>`
  })
  return html`<header class="top">
${brand}
<nav aria-label="Console"><ul>${links}</ul></nav>
<form class="find" role="search" action="${root}/users" method="get">
<label for="find-user" class="hidden">Find a user</label>
<input id="find-user" name="q" type="search" placeholder="Find a user…" maxlength="${USER_UNITS}" autocomplete="off" spellcheck="false">
<button class="quiet">Find</button>
</form>
<form class="who" action="${root}/sign-out" method="post">
${csrfField(signIn)}<span title="${signIn.actor}">${signIn.name}</span>
<button class="quiet">Sign out</button>
</form>
</header>`
}

/** Proves that a form came from a page of this sign-in. */
export function csrfField({ csrf }: SignIn): Html {
  return html`<input type="hidden" name="csrf" value="${csrf}">`
}
