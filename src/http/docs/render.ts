// Renders the pages of the docs. Loaded at the first request for a page, so that the service starts faster.

import { setImmediate } from 'node:timers/promises'
import { html } from 'hono/html'
import type { OpenApi } from '../openapi/document.ts'
import { renderGuide, renderReference } from './guides.ts'
import { type DocsPage, layout, type Markup } from './layout.ts'
import { API, IN_ORDER, START } from './list.ts'
import { makeReference, referenceText } from './reference.ts'
import { createFind, type FoundSection, findScript, sectionsOf } from './search.ts'
import { renderStart } from './start.ts'
import { readGuide } from './text.ts'

/** The parts from which the pages are made. */
export interface DocsParts {
  readonly makeDocument: () => Promise<OpenApi>
  /** Whether the API reference has forms that call this service. */
  readonly tryIt: boolean
  /** Whether there is a console. The page for a wrong address links to it when `tryIt` is true too. */
  readonly hasConsole: boolean
}

/** Pages are made at their first request and kept. */
export function createPages({ makeDocument, tryIt, hasConsole }: DocsParts) {
  const pages = new Map<string, string>()
  let index: ReturnType<typeof makeIndex> | undefined
  const readIndex = () => (index ??= makeIndex(makeDocument))
  return {
    /** @returns undefined when no page has that name */
    async page(name: string): Promise<string | undefined> {
      const known = pages.get(name)
      if (known !== undefined) return known
      const content = await contentOf(name, makeDocument)
      if (content === undefined) return undefined
      const page = await layout(content, { base: name === '' ? 'docs/' : '', tryIt })
      pages.set(name, page)
      return page
    },

    /** @returns a guide or the API reference as Markdown; undefined when neither has that name */
    text: async (name: string): Promise<string | undefined> =>
      name === API.name
        ? referenceText(makeReference(await makeDocument()))
        : readGuide(name)?.text,

    /** The page with the results of a search; it works without script. */
    async results(query: string): Promise<string> {
      const found = (await readIndex()).find(query)
      const body = html`<h1>Search</h1><p>${summaryOf(query, found)}</p>${resultList(found, '')}`
      const page = { name: 'search', title: 'Search', body: String(await body), query }
      return layout(page, { base: '', tryIt })
    },

    /** The search itself, as a script for browsers. */
    findScript: async (): Promise<string> => (await readIndex()).script,

    /** The page for an address without a page. It suggests pages that have the words of the address. */
    async notFound(path: string): Promise<string> {
      const base = `${'../'.repeat(path.split('/').length - 2)}docs/`
      const found = (await readIndex()).find(path.replaceAll(/[^a-z]+|docs/gi, ' ')).slice(0, 5)
      const title = 'There is no page here'
      const asked = path.startsWith('/docs/') ? path.slice('/docs/'.length) : ''
      const body = html`<h1>${title}</h1>
${asked && html`<p>The docs have no page <code>${asked.slice(0, 64)}</code>.</p>`}
<p>The service is running. An app asks it for a client secret with <code>POST /v1/sessions</code>; for people there
are the pages in the list, and the search above.</p>
<p class="row"><a class="button" href="${base}../docs">To the documentation</a>
${tryIt && hasConsole ? html`<a class="button quiet" href="${base}../admin">To the console</a>` : ''}</p>
${found.length > 0 ? html`<h2>Perhaps you look for</h2>${resultList(found, base)}` : ''}`
      return layout({ name: 'nothing', title, body: String(await body) }, { base, tryIt })
    },
  }
}

async function contentOf(
  name: string,
  makeDocument: () => Promise<OpenApi>,
): Promise<DocsPage | undefined> {
  if (name === START.name) return { ...START, body: String(await renderStart()) }
  if (name === API.name) {
    return { ...API, body: renderReference(makeReference(await makeDocument())) }
  }
  return renderGuide(name)
}

async function makeIndex(makeDocument: () => Promise<OpenApi>) {
  const sections = []
  for (const { name } of IN_ORDER) {
    const content = await contentOf(name, makeDocument)
    if (content !== undefined) sections.push(...sectionsOf(content))
    // Lets other requests run between two pages.
    await setImmediate()
  }
  return { find: createFind(sections), script: findScript(sections) }
}

function summaryOf(query: string, found: readonly FoundSection[]): Markup {
  if (query.trim() === '') return html`Say what to look for.`
  if (found.length > 0) return html`Sections with the words of “${query}”, the best first.`
  return html`No section has all the words of “${query}”. Try fewer of them.`
}

function resultList(found: readonly FoundSection[], base: string): Markup {
  if (found.length === 0) return html``
  const items = found.map(({ page, title, anchor, heading, excerpt }) => {
    const href = `${page === '' ? `${base}../docs` : base + page}#${anchor}`
    return html`<li><a href="${href}">${heading}</a> <small>${title}</small><p>${excerpt}</p></li>`
  })
  return html`<ol class="results">${items}</ol>`
}
