// The frame of every page of the docs: search, the list of pages, the headings of this page, and links to the pages
// before and after it.

import { html, raw } from 'hono/html'
import { API, type Guide, IN_ORDER, LISTS, START } from './list.ts'
import { MAX_QUERY } from './search.ts'

/** HTML whose inserted text `hono/html` has escaped. */
export type Markup = ReturnType<typeof html>

/** The content of a page, without the frame. */
export interface DocsPage {
  /** Below `/docs/`; empty for the start page. */
  readonly name: string
  readonly title: string
  readonly body: string
  /** The text that was searched for; only on the page of results. */
  readonly query?: string
}

interface FrameParts {
  /** Relative path from the page to `/docs/`, because a proxy may serve the docs below a path of its own. */
  readonly base: string
  /** Whether the API reference has forms that call this service. */
  readonly tryIt: boolean
}

export async function layout(page: DocsPage, { base, tryIt }: FrameParts): Promise<string> {
  const { name, title, body, query = '' } = page
  const start = `${base}../docs`
  const link = (to: Guide, label: unknown = to.title) => {
    const current = to.name === name ? html` aria-current="page"` : ''
    return html`<a href="${to === START ? start : base + to.name}"${current}>${label}</a>`
  }
  const whole = await html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · chatkit-mint</title>
<link rel="icon" href="${base}icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${base}docs.css">
<script type="module" src="${base}docs.js"></script>
${tryIt && name === API.name ? html`<script type="module" src="${base}try.js"></script>` : ''}
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header class="top">
<a class="brand" href="${start}">chatkit-mint <span>docs</span></a>
<button class="menu quiet" type="button" popovertarget="pages">Menu</button>
<form class="search" role="search" action="${base}search">
<input id="q" name="q" type="search" value="${query}" placeholder="Search" aria-label="Search the docs" maxlength="${MAX_QUERY}" autocomplete="off" spellcheck="false" required>
<kbd aria-hidden="true">/</kbd>
</form>
</header>
<div class="page">
<nav id="pages" class="pages" aria-label="Documentation" popover>
${LISTS.map(({ heading, guides }) => html`<h2>${heading}</h2><ul>${guides.map((one) => html`<li>${link(one)}</li>`)}</ul>`)}
</nav>
<main id="content" tabindex="-1">
${raw(body)}
${neighbours(name, link)}
</main>
${contents(body)}
</div>
</body>
</html>
`
  return String(whole)
}

type Link = (to: Guide, label?: unknown) => Markup

/** Links to the pages before and after this one. */
function neighbours(name: string, link: Link): Markup {
  const at = IN_ORDER.findIndex((one) => one.name === name)
  const [before, after] = at < 0 ? [] : [IN_ORDER[at - 1], IN_ORDER[at + 1]]
  if (before === undefined && after === undefined) return html``
  return html`<nav class="neighbours" aria-label="Pages before and after">
${before && link(before, html`<small>Previous</small> ${before.title}`)}
${after && link(after, html`<small>Next</small> ${after.title}`)}
</nav>`
}

/** Links to the headings of the page; shown where the window is wide. */
function contents(body: string): Markup {
  const headings = Array.from(body.matchAll(/<h2 id="([^"]*)"[^>]*>(.*?)<\/h2>/gs))
  if (headings.length < 2) return html``
  const items = headings.map(([, id = '', text = '']) => {
    return html`<li><a href="#${id}">${raw(text.replaceAll(/<\/?a\b[^>]*>/g, ''))}</a></li>`
  })
  return html`<nav class="contents" aria-label="On this page"><h2>On this page</h2><ul>${items}</ul></nav>`
}
