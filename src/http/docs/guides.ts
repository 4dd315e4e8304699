// Renders the guides and the API reference, which are Markdown, and the sample files that the guides link to.

import { Marked, type MarkedExtension } from 'marked'
import { CODES } from '../../respond/codes.ts'
import { codeBlock, escapeHtml } from './highlight.ts'
import type { DocsPage } from './layout.ts'
import type { Entry, Reference } from './reference.ts'
import { readGuide, sampleText } from './text.ts'

/**
 * Renders a guide or a sample. The texts are ours, so their HTML needs no cleaning.
 *
 * @returns undefined when there is none of that name
 */
export function renderGuide(name: string): DocsPage | undefined {
  const sample = sampleText(name)
  if (sample !== undefined) return renderSample(name, sample)
  const guide = readGuide(name)
  if (guide === undefined) return undefined
  const { title, text } = guide
  return { name, title, body: guideMarkdown.parse(text, { async: false }) }
}

/** Renders the API reference; its entries are folded. */
export function renderReference({ begin, chapters }: Reference): string {
  const objects = chapters.get('Objects')?.map(({ name }) => name) ?? []
  const markdown = new Marked(GUIDES_LOOK, referenceLook(new Set(objects)))
  const parse = (text: string) => markdown.parse(text, { async: false })
  const entryHtml = ({ id, name, summary, text }: Entry) => `<details id="${id}" class="operation">
<summary><code>${name.replace(METHOD, (it) => `<b class="method ${it.toLowerCase()}">${it}</b>`)}</code>
<span>${markdown.parseInline(summary, { async: false })}</span></summary>
${parse(text)}</details>`
  const parts = Array.from(chapters, ([title, entries]) => [
    anchored({ depth: 2, id: `tag-${slug(title)}`, inner: title }),
    ...entries.map(entryHtml),
  ])
  return [parse(begin), ...parts.flat()].join('\n')
}

const METHOD = /^[A-Z]+(?= )/

/** Links the names of errors and objects. The text has no HTML, and its JSON no colours: they would double the page. */
function referenceLook(objects: ReadonlySet<string>): MarkedExtension {
  const renderer: MarkedExtension['renderer'] = {
    html: ({ text }) => escapeHtml(text),
    code: ({ text, lang }) =>
      lang === 'json' && codeBlock(text, { language: 'text', label: 'JSON' }),
    codespan({ text }) {
      const isCode = Object.hasOwn(CODES, text)
      if (!(isCode || objects.has(text))) return false
      return `<a href="${isCode ? 'errors#' : '#object-'}${text}"><code>${text}</code></a>`
    },
    heading({ tokens, depth }) {
      return depth === 4 && `<h3>${this.parser.parseInline(tokens)}</h3>`
    },
  }
  return { renderer }
}

/** Shows the file, with a link that downloads it. */
function renderSample(name: string, text: string): DocsPage {
  const download = `<p><a href="files/${name}" download>Download ${name}</a></p>`
  const code = codeBlock(text, { language: name.split('.').at(-1) ?? 'text' })
  return { name, title: name, body: `<h1>${name}</h1>${download}${code}` }
}

const GUIDES_LOOK: MarkedExtension = {
  renderer: {
    heading({ tokens, depth, text }) {
      const id = slug(text)
      const inner = this.parser.parseInline(tokens)
      return depth === 1 || inner.includes('<a ')
        ? `<h${depth} id="${id}">${inner}</h${depth}>\n`
        : anchored({ depth, id, inner })
    },
    code({ text, lang }) {
      return codeBlock(text, { language: lang ?? 'text' })
    },
    // Long names may break after an underscore, nowhere else.
    codespan({ text }) {
      return `<code>${escapeHtml(text).replaceAll(/(?<=[a-z0-9])_(?=[a-z0-9])/gi, '_<wbr>')}</code>`
    },
    table({ header, rows }) {
      // A screen reader would announce an empty header.
      const head = header.map(({ text, tokens }) =>
        text === '' ? '<td></td>' : `<th scope="col">${this.parser.parseInline(tokens)}</th>`,
      )
      const body = rows.map((row) => {
        const cells = row.map((cell) => `<td>${this.parser.parseInline(cell.tokens)}</td>`)
        return `<tr>${cells.join('')}</tr>`
      })
      return `<div class="scroll" tabindex="0" role="group" aria-label="Table"><table><thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table></div>\n`
    },
    link({ href, tokens }) {
      // In the repository guides are files; here they are pages.
      const target = href.replace(/^([\w-]+)\.md(#|$)/, '$1$2')
      return `<a href="${escapeHtml(target)}">${this.parser.parseInline(tokens)}</a>`
    },
  },
}

const guideMarkdown = new Marked(GUIDES_LOOK)

/** A heading that links to itself, so that readers can copy a link to it. */
function anchored({ depth, id, inner }: Record<'id' | 'inner', string> & { depth: number }) {
  return `<h${depth} id="${id}"><a class="anchor" href="#${id}">${inner}</a></h${depth}>\n`
}

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '-')
    .replace(/^-|-$/g, '')
}
