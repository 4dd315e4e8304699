// The API reference and the guides as plain pages that need no script. A page is rendered when it is first
// asked for.

import { readFileSync } from 'node:fs'
import { html, raw } from 'hono/html'
import { z } from 'zod'
import { isCode, ServiceError } from '../../lib/errors.ts'
import type { AppContext } from '../context.ts'
import type { OpenApi } from '../openapi/document.ts'
import { type RouteDefinitions, textAnswer } from '../route-definition.ts'
import { GUIDES, type Guide } from './list.ts'
import { guideText, listForPrograms } from './text.ts'

export const DOCS_ROUTES = {
  docs: {
    method: 'GET',
    path: '/docs',
    checks: [],
    summary: 'A page to read this description',
    description: 'HTML without script and without anything from another host.',
    tag: 'operation',
    answers: [textAnswer('The API reference.', 'text/html')],
  },
  guide: {
    method: 'GET',
    path: '/docs/{page}',
    checks: [],
    summary: 'A guide',
    description:
      'How to use the service from a page, a phone, and how to run it. With `.md` behind the name, the same as text. At a name that is none, a browser gets a page with the list, and status 404.',
    tag: 'operation',
    pathParameters: {
      page: z
        .string()
        .min(1)
        .max(64)
        .meta({ description: 'Its name, as the list on `/docs` has it.', examples: ['errors'] }),
    },
    answers: [
      textAnswer('The guide.', 'text/html'),
      textAnswer('For a name with `.md`: the guide as Markdown.', 'text/markdown'),
      textAnswer('For `docs.css`: the style sheet of these pages.', 'text/css'),
    ],
  },
  guideList: {
    method: 'GET',
    path: '/llms.txt',
    checks: [],
    summary: 'The guides, for programs that read',
    description:
      'A list of the guides as text and of the API description, in the form of llmstxt.org.',
    tag: 'operation',
    answers: [textAnswer('The list, in Markdown.', 'text/plain')],
  },
} satisfies RouteDefinitions

/** Allows our own style sheet; no script, and nothing from another host. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** Name of the style sheet, which is served beside the pages. */
const STYLE = 'docs.css'

type Markup = ReturnType<typeof html>

/**
 * The renderers are loaded at the first request for a page: a start does not wait for them.
 *
 * @param makeDocument - the OpenAPI document
 */
export function createDocs(makeDocument: () => Promise<OpenApi>) {
  const pages = new Map<string, string>()
  const answer = async (c: AppContext, name: string, render: () => Promise<string>) => {
    const page = pages.get(name) ?? (await render())
    pages.set(name, page)
    return answerPage(c, page)
  }
  const renderApi = async () => {
    const { renderReference } = await import('./reference.ts')
    return layout(
      { name: '', title: 'API reference', base: 'docs/' },
      renderReference(await makeDocument()),
    )
  }
  return {
    docs: (c: AppContext): Promise<Response> => answer(c, '', renderApi),
    guide: async (c: AppContext): Promise<Response> => {
      const name = c.req.param('page') ?? ''
      if (name === STYLE) return answerStyle(c)
      if (name.endsWith('.md')) return answerText(c, guideText(name.slice(0, -'.md'.length)))
      return answer(c, name, () => renderPage(name))
    },
    guideList: (c: AppContext): Response => c.text(listForPrograms()),
  }
}

/** Calls of programs, which match on the code of problem details, whatever they accept. */
const FOR_PROGRAMS = /^\/(?:v1|chatkit|admin)(?:\/|$)/

/**
 * A page with the list of pages, for a person with a browser at an address that has nothing.
 *
 * @returns undefined for other errors and for programs
 */
export function explainNotFound(error: Error, c: AppContext): Promise<Response> | undefined {
  const { pathname } = new URL(c.req.url)
  const isPerson = c.req.header('Accept')?.includes('text/html') && !FOR_PROGRAMS.test(pathname)
  return isPerson && isCode(error, 'not_found') ? answerNotFound(error, c, pathname) : undefined
}

async function answerNotFound(error: Error, c: AppContext, pathname: string): Promise<Response> {
  const base = `${'../'.repeat(pathname.split('/').length - 2)}docs/`
  const page = { name: undefined, title: 'There is no page here', base }
  const body = html`<h1>${page.title}</h1>
    <p>
      The service is running. An app asks it for a client secret with <code>POST /v1/sessions</code>; for
      people there are the <a href="${base.slice(0, -1)}">API reference</a> and the pages in the list.
    </p>`
  const text = await layout(page, body)
  // Keeps the error for the access log.
  c.error = error
  c.status(404)
  return answerPage(c, text)
}

async function renderPage(name: string): Promise<string> {
  const { renderGuide } = await import('./guides.ts')
  const guide = renderGuide(name)
  if (guide === undefined) throw new ServiceError('not_found', { reason: 'no such guide' })
  return layout({ name, title: guide.title, base: '' }, raw(guide.html))
}

function answerPage(c: AppContext, page: string): Response {
  c.header('Content-Security-Policy', CONTENT_SECURITY_POLICY)
  c.header('Referrer-Policy', 'no-referrer')
  return c.html(page)
}

function answerText(c: AppContext, text: string | undefined): Response {
  if (text === undefined) throw new ServiceError('not_found', { reason: 'no such guide' })
  c.header('Content-Type', 'text/markdown; charset=utf-8')
  return c.body(text)
}

function answerStyle(c: AppContext): Response {
  c.header('Content-Type', 'text/css; charset=utf-8')
  c.header('Cache-Control', 'public, max-age=300')
  return c.body(readFileSync(new URL(`../../docs/${STYLE}`, import.meta.url), 'utf8'))
}

interface Page {
  /** Empty for the reference; undefined for a page that the list does not have. */
  readonly name: string | undefined
  readonly title: string
  readonly base: string
}

/**
 * A whole page, with the list of all pages.
 *
 * @param base - from the page's address to `/docs/`: a proxy may serve both below a path
 */
async function layout({ name, title, base }: Page, body: Markup): Promise<string> {
  const page = await html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <title>${title} · chatkit-mint</title>
        <link rel="stylesheet" href="${base}${STYLE}" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <a class="skip" href="#content">Skip to the content</a>
        <div class="page">
          <nav aria-label="Documentation">
            <p class="name">chatkit-mint</p>
            <ul>
              <li>${navigation({ name: '', title: 'API reference' }, { base, here: name })}</li>
            </ul>
            ${GUIDES.map(
              ({ heading, guides }) => html`<h2>${heading}</h2>
                <ul>
                  ${guides.map((guide) => html`<li>${navigation(guide, { base, here: name })}</li>`)}
                </ul>`,
            )}
          </nav>
          <main id="content" tabindex="-1">${body}</main>
        </div>
      </body>
    </html>`
  return String(page)
}

function navigation(
  { name, title }: Guide,
  { base, here }: { base: string; here: string | undefined },
): Markup {
  const reference = base === '' ? '../docs' : base.slice(0, -1)
  const href = name === '' ? reference : `${base}${name}`
  if (name === here) return html`<a href="${href}" aria-current="page">${title}</a>`
  return html`<a href="${href}">${title}</a>`
}
