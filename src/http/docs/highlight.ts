// Shows code on a page, with syntax colours. The server adds the colours, so that a browser needs no script.

import * as languages from '@speed-highlight/core/languages'
import { type ShjLanguageData, tokenizeWith } from '@speed-highlight/core/tokenize'

/** Roughly the words of Swift, Kotlin and Dart, for which the library has no grammar. */
const phone: ShjLanguageData = [
  { type: 'cmnt', match: /\/\/.*|\/\*[\s\S]*?\*\//g },
  { type: 'str', match: /"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g },
  { type: 'num', match: /\b\d[\d._]*\b/g },
  {
    type: 'kwd',
    match:
      /\b(?:actor|as|async|await|break|case|catch|class|companion|const|continue|default|do|else|enum|extends|extension|false|final|for|fun|func|get|guard|if|implements|import|in|init|internal|is|late|let|new|nil|null|object|override|package|private|protocol|public|required|return|self|static|struct|super|suspend|switch|this|throw|throws|true|try|val|var|void|weak|when|while|with)\b/g,
  },
  { type: 'class', match: /\b[A-Z]\w*\b/g },
  { type: 'func', match: /\b[a-z]\w*(?=\()/g },
]

// The library's types for its own grammars miss `| undefined`, which `exactOptionalPropertyTypes` wants.
const GRAMMARS = { ...languages, phone } as Readonly<Record<string, ShjLanguageData>>

/** For each grammar, the languages that it colours, as fences of Markdown and samples of the API name them. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  bash: ['sh', 'bash', 'curl'],
  js: ['js', 'jsx', 'javascript'],
  ts: ['ts', 'tsx'],
  py: ['py', 'python'],
  html: ['html', 'vue', 'svelte'],
  phone: ['swift', 'kotlin', 'dart'],
  json: ['json'],
  yaml: ['yaml'],
}

interface CodeParts {
  /** As named after a fence of Markdown; an unknown language gets no colours. */
  readonly language: string
  /** Name of the block for screen readers. */
  readonly label?: string
}

/** HTML of a block of code. It scrolls sideways, so the keyboard must reach it (WCAG 2.1.1). */
export function codeBlock(text: string, { language, label }: CodeParts): string {
  const name = label ?? (language === 'text' ? 'Text' : `Code, ${language}`)
  return `<div class="code"><pre tabindex="0" role="group" aria-label="${escapeHtml(name)}"><code>${coloured(text, language)}</code></pre></div>\n`
}

function coloured(text: string, language: string): string {
  const name = Object.keys(NAMES).find((one) => NAMES[one]?.includes(language))
  if (name === undefined) return escapeHtml(text)
  const parts: string[] = []
  const add = (part: string, kind?: string) => {
    parts.push(
      kind === undefined ? escapeHtml(part) : `<span class="${kind}">${escapeHtml(part)}</span>`,
    )
  }
  tokenizeWith(text, name, add, { languages: GRAMMARS })
  return parts.join('')
}

/** Escapes text for HTML, attribute values included. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
