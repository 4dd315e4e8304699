import { html } from 'hono/html'
import type { Addresses } from '../addresses.ts'
import type { AdminSession } from '../sign-in/admin-session.ts'

/** A piece of a page; whatever is put into it by `html` is escaped. */
export type Html = ReturnType<typeof html>

/** The parts of the console that the navigation leads to. */
export type Section = 'sessions' | 'blocks' | 'audit' | 'figures'

/** A page without its content. */
export interface Frame {
  /** Of the window, and the heading that comes first. */
  readonly title: string
  readonly session?: AdminSession | undefined
  readonly section?: Section | undefined
  /** What the last form did. */
  readonly notice?: string | undefined
  /** Whether the page draws charts. */
  readonly charts?: boolean
}

/** What `maxlength` counts of a user of 512 characters: UTF-16 units, of which some take two. */
export const USER_UNITS = 1024

const SECTIONS: readonly (readonly [Section, string, string])[] = [
  ['sessions', '', 'Sessions'],
  ['blocks', '/blocks', 'Blocks'],
  ['audit', '/audit', 'Audit'],
  ['figures', '/figures', 'Figures'],
]

/**
 * Everything up to the page's content, so that a page can grow while it is being read.
 *
 * @param addresses - where the console is
 * @param frame - title, navigation, notice
 */
export function pageStart(addresses: Addresses, frame: Frame): Html {
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
${frame.charts ? html`<script src="${root}/assets/charts.js" defer></script>` : ''}
</head>
<body>
<a class="skip" href="#content">Skip to content</a>
${header(addresses, frame)}
<main id="content" tabindex="-1">
${frame.notice === undefined ? '' : html`<p class="notice" role="status">${frame.notice}</p>`}
<h1>${frame.title}</h1>
`
}

/**
 * What comes after the content.
 *
 * @param frame - as at the start
 */
export function pageEnd({ session }: Frame): Html {
  const foot = 'Times are UTC. What is looked at and done here is in the audit trail.'
  return html`
</main>
${session === undefined ? '' : html`<footer class="foot">${foot}</footer>`}
</body>
</html>
`
}

/**
 * A whole page.
 *
 * @param addresses - where the console is
 * @param frame - title, navigation, notice
 * @param content - between header and footer
 */
export function renderPage(addresses: Addresses, frame: Frame, content: Html): Html {
  return html`${pageStart(addresses, frame)}${content}${pageEnd(frame)}`
}

function header(addresses: Addresses, { session, section }: Frame): Html {
  const { root } = addresses
  const brand = html`<a class="brand" href="${root}"><svg class="mark" viewBox="0 0 16 16" aria-hidden="true"><path d="M2 3h12v8H8l-3 3v-3H2z"/></svg>chatkit-mint <span>console</span></a>`
  if (session === undefined) return html`<header class="top">${brand}</header>`
  const links = SECTIONS.map(([name, path, label]) => {
    const current = name === section ? html` aria-current="page"` : ''
    return html`<li><a href="${root}${path}"${current}>${label}</a></li>`
  })
  return html`<header class="top">
${brand}
<nav aria-label="Console"><ul>${links}</ul></nav>
<form class="find" role="search" action="${root}/user" method="get">
<label for="find-user" class="hidden">Go to a user</label>
<input id="find-user" name="user" type="search" placeholder="Go to user…" required maxlength="${USER_UNITS}" autocomplete="off" spellcheck="false">
<button>Go</button>
</form>
<form class="who" action="${root}/sign-out" method="post">
${csrfField(session)}<span title="${session.actor}">${session.name}</span>
<button class="quiet">Sign out</button>
</form>
</header>`
}

/**
 * Proof that a form came from a page of this sign-in.
 *
 * @param session - whose
 */
export function csrfField({ csrf }: AdminSession): Html {
  return html`<input type="hidden" name="csrf" value="${csrf}">`
}
