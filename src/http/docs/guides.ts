// Renders the guides, which are Markdown, and the sample files that they link to.

import { Marked } from 'marked'
import { codeBlock, escapeHtml } from './highlight.ts'
import { GUIDES } from './list.ts'
import { guideText, sampleText } from './text.ts'

/** A guide or a sample, ready to be put into a page. */
export interface RenderedGuide {
  readonly title: string
  readonly html: string
}

/**
 * Renders a guide. The texts are ours, so their HTML needs no cleaning.
 *
 * @returns undefined when there is none of that name
 */
export function renderGuide(name: string): RenderedGuide | undefined {
  const sample = sampleText(name)
  if (sample !== undefined) return renderSample(name, sample)
  const guide = GUIDES.flatMap(({ guides }) => guides).find((one) => one.name === name)
  const text = guideText(name)
  if (guide === undefined || text === undefined) return undefined
  return { title: guide.title, html: markdown.parse(text, { async: false }) }
}

/** Shows the file, with a link that downloads it. */
function renderSample(name: string, text: string): RenderedGuide {
  const download = `<p><a href="files/${name}" download>Download ${name}</a></p>`
  const code = codeBlock(text, { language: name.split('.').at(-1) ?? 'text' })
  return { title: name, html: `<h1>${name}</h1>${download}${code}` }
}

const markdown = new Marked({
  renderer: {
    // Each heading links to itself, so that readers can copy a link to it.
    heading({ tokens, depth, text }) {
      const id = slug(text)
      const inner = this.parser.parseInline(tokens)
      const plain = depth === 1 || inner.includes('<a ')
      const content = plain ? inner : `<a class="anchor" href="#${id}">${inner}</a>`
      return `<h${depth} id="${id}">${content}</h${depth}>\n`
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
})

function slug(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '-')
    .replace(/^-|-$/g, '')
}
