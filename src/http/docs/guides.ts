// Renders the guides, which are Markdown, and the samples that they link to.

import { readFileSync } from 'node:fs'
import { Marked } from 'marked'
import { GUIDES } from './list.ts'
import { guideText } from './text.ts'

/** Files that guides link to, shown as they are. */
const SAMPLES = [
  'chatkit_server.py',
  'chatkit-server.ts',
  'verify_chatkit_token.py',
  'verify-chatkit-token.ts',
]

const DOCS = new URL('../../docs/', import.meta.url)

/** A guide or a sample, ready to be put into a page. */
export interface RenderedGuide {
  readonly title: string
  readonly html: string
}

/**
 * Renders a guide. The texts are ours, so their HTML needs no cleaning.
 *
 * @param name - as in the URL
 * @returns undefined when there is none of that name
 */
export function renderGuide(name: string): RenderedGuide | undefined {
  if (SAMPLES.includes(name)) {
    return { title: name, html: `<h1>${name}</h1>${codeBlock(read(name), 'text')}` }
  }
  const guide = GUIDES.flatMap(({ guides }) => guides).find((one) => one.name === name)
  const text = guideText(name)
  if (guide === undefined || text === undefined) return undefined
  return { title: guide.title, html: markdown.parse(text, { async: false }) }
}

function read(file: string): string {
  return readFileSync(new URL(file, DOCS), 'utf8')
}

const markdown = new Marked({
  renderer: {
    heading({ tokens, depth, text }) {
      return `<h${depth} id="${slug(text)}">${this.parser.parseInline(tokens)}</h${depth}>\n`
    },
    // Blocks that scroll sideways must be reachable by keyboard (WCAG 2.1.1).
    code({ text, lang }) {
      return codeBlock(text, lang ?? 'text')
    },
    table({ header, rows }) {
      const head = header.map(
        (cell) => `<th scope="col">${this.parser.parseInline(cell.tokens)}</th>`,
      )
      const body = rows.map((row) => {
        const cells = row.map((cell) => `<td>${this.parser.parseInline(cell.tokens)}</td>`)
        return `<tr>${cells.join('')}</tr>`
      })
      return `<div class="scroll" tabindex="0" role="region" aria-label="Table"><table><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>\n`
    },
    link({ href, tokens }) {
      // In the repository guides are files; here they are pages.
      const target = href.replace(/^([\w-]+)\.md(#|$)/, '$1$2')
      return `<a href="${escapeHtml(target)}">${this.parser.parseInline(tokens)}</a>`
    },
  },
})

function codeBlock(text: string, language: string): string {
  const label = language === 'text' ? 'Text' : `Code, ${language}`
  return `<pre tabindex="0" role="region" aria-label="${escapeHtml(label)}"><code>${escapeHtml(text)}</code></pre>\n`
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '-')
    .replace(/^-|-$/g, '')
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
