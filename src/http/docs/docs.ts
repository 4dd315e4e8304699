// Serves the docs at `/docs`: guides and API reference, as pages that need no script. render.ts makes them.

import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { isCode, ServiceError } from '../../lib/errors.ts'
import { icon, styleSheet } from '../../lib/look/look.ts'
import type { AppContext } from '../context.ts'
import { validQuery } from '../query.ts'
import { type HandlersOf, type RouteDefinitions, textAnswer } from '../route-definition.ts'
import type { DocsParts } from './render.ts'
import { MAX_QUERY } from './search.ts'
import { listForPrograms, sampleText } from './text.ts'

const SHARED = { method: 'GET', checks: [], tag: 'operation' } as const

/** Not strict, because mail and chat programs add parameters to links. Of a repeated `q`, the first counts. */
const searchQuery = z.object({
  q: z
    .preprocess((given) => [given].flat()[0], z.string().max(MAX_QUERY).default(''))
    .describe('Words; sections with all of them are found, or else those with the most.'),
})

const nameIn = (description: string, example: string) =>
  z
    .string()
    .min(1)
    .max(64)
    .meta({ description, examples: [example] })

export const DOCS_ROUTES = {
  docs: {
    ...SHARED,
    path: '/docs',
    summary: 'The docs',
    description: 'The first of the pages. They need no script, and nothing from another host.',
    answers: [textAnswer('The start page.', 'text/html')],
  },
  docsSearch: {
    ...SHARED,
    path: '/docs/search',
    summary: 'Search in the docs',
    description: 'The best 20 sections.',
    query: searchQuery,
    answers: [textAnswer('A page with the results.', 'text/html')],
  },
  guide: {
    ...SHARED,
    path: '/docs/{page}',
    summary: 'A page of the docs',
    description:
      'How to use the service from a page or a phone, and how to run it; `api` is this description. ' +
      'A name that ends in `.md` gives a guide or this description as text. For an unknown name, a browser gets status 404 and a page with the list of pages.',
    pathParameters: { page: nameIn('Its name, as the list on `/docs` has it.', 'errors') },
    answers: [
      textAnswer('The page.', 'text/html'),
      textAnswer('For a name with `.md`: a guide or `api` as Markdown.', 'text/markdown'),
      textAnswer('For `docs.css`: the style sheet of these pages.', 'text/css'),
      textAnswer('For `docs.js` and others: the scripts of these pages.', 'text/javascript'),
      textAnswer('For `icon.svg`: the icon.', 'image/svg+xml'),
    ],
  },
  sampleFile: {
    ...SHARED,
    path: '/docs/files/{file}',
    summary: 'A file of the docs to copy',
    description:
      'A ChatKit server to begin with, or the check of the token that it gets, as a file; `/docs/{file}` shows it.',
    pathParameters: { file: nameIn('Its name, as the guides have it.', 'chatkit-server.ts') },
    answers: [textAnswer('The file, which a browser saves.', 'text/plain')],
  },
  guideList: {
    ...SHARED,
    path: '/llms.txt',
    summary: 'The list of guides, for programs',
    description: 'A list of the guides and the API reference as text, in the form of llmstxt.org.',
    answers: [textAnswer('The list, in Markdown.', 'text/plain')],
  },
} satisfies RouteDefinitions

/** Allows our own style sheet, scripts and icon, the search form, and nothing from another host. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const at = (name: string) => new URL(`./assets/${name}`, import.meta.url)
const read = (name: string) => readFileSync(at(name), 'utf8')

/** Paths that programs call. Their 404 is always problem details, even when `Accept` has `text/html`. */
const FOR_PROGRAMS = /^\/(?:v1|chatkit|admin)(?:\/|$)/

/** Makes `/docs` and everything below it. */
export function createDocs({ makeDocument, tryIt, hasConsole }: DocsParts) {
  const policy = CONTENT_SECURITY_POLICY + (tryIt ? "; connect-src 'self'" : '')
  const load = async () => {
    const { createPages } = await import('./render.ts')
    return createPages({ makeDocument, tryIt, hasConsole })
  }
  let loading: ReturnType<typeof load> | undefined
  const pages = () => (loading ??= load())
  const assets = new Map<string, Asset>([
    ['docs.css', { type: 'text/css', make: () => styleSheet(at('docs.css')) }],
    ['docs.js', { type: 'text/javascript', make: () => read('docs.js') }],
    ['find.js', { type: 'text/javascript', make: async () => (await pages()).findScript() }],
    ['icon.svg', { type: 'image/svg+xml', make: icon }],
  ])
  if (tryIt) assets.set('try.js', { type: 'text/javascript', make: () => read('try.js') })
  const answer = (c: AppContext, page: string | undefined, status: 200 | 404 = 200) => {
    if (page === undefined) throw notThere()
    c.header('Content-Security-Policy', policy)
    c.header('Referrer-Policy', 'no-referrer')
    return c.html(page, status)
  }
  const handlers: HandlersOf<typeof DOCS_ROUTES> = {
    docs: async (c) => answer(c, await (await pages()).page('')),
    docsSearch: async (c) => {
      const { q } = validQuery(c, searchQuery)
      return answer(c, await (await pages()).results(q))
    },
    guide: async (c) => {
      const name = c.req.param('page') ?? ''
      const asset = assets.get(name)
      if (asset !== undefined) return answerAsset(c, asset)
      const { page, text } = await pages()
      if (name.endsWith('.md')) return answerMarkdown(c, await text(name.slice(0, -'.md'.length)))
      return answer(c, await page(name))
    },
    sampleFile: (c) => {
      const name = c.req.param('file') ?? ''
      const text = sampleText(name)
      if (text === undefined) throw notThere()
      c.header('Content-Disposition', `attachment; filename="${name}"`)
      return c.text(text)
    },
    guideList: (c) => c.text(listForPrograms()),
  }
  const answerNotFound = async (error: Error, c: AppContext, path: string) => {
    // The access log reads it.
    c.error = error
    return answer(c, await (await pages()).notFound(path), 404)
  }
  return {
    handlers,
    /**
     * Answers `not_found` to a browser with a page that has the search and the list of pages.
     *
     * @returns undefined for other errors and for programs
     */
    explain(error: Error, c: AppContext): Promise<Response> | undefined {
      const { pathname } = new URL(c.req.url)
      // Programs may accept HTML, too. Only a browser that opens a page says so in this header.
      const isPerson = c.req.header('Sec-Fetch-Dest') === 'document' && !FOR_PROGRAMS.test(pathname)
      return isPerson && isCode(error, 'not_found') ? answerNotFound(error, c, pathname) : undefined
    },
  }
}

interface Asset {
  readonly type: string
  readonly make: () => string | Promise<string>
}

async function answerAsset(c: AppContext, { type, make }: Asset): Promise<Response> {
  c.header('Content-Type', `${type}; charset=utf-8`)
  c.header('Cache-Control', 'public, max-age=300')
  return c.body(await make())
}

function answerMarkdown(c: AppContext, text: string | undefined): Response {
  if (text === undefined) throw notThere()
  c.header('Content-Type', 'text/markdown; charset=utf-8')
  return c.body(text)
}

function notThere(): ServiceError {
  return new ServiceError('not_found', { reason: 'no such page of the docs' })
}
