import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { marked } from 'marked'
import { describe, expect, test } from 'vitest'
import { REFERENCE_PAGES } from '../../src/commands/reference/pages.ts'
import { ROUTES } from '../../src/http/route-table.ts'
import { guideNames, ROOT } from './samples.ts'

// Config keys, variables, metrics, fields, codes, headers, calls and npm scripts that the text names: a reader would
// look for a misspelt name in vain. Pages of the reference are made from the code.

const FILES = [
  'README.md',
  '.github/CONTRIBUTING.md',
  ...guideNames.filter((name) => !(name in REFERENCE_PAGES)).map((name) => `src/docs/${name}.md`),
]

/** `reads_per_user`, `STORE_URL`, `X-ChatKit-User`. */
const NAME = /\b[a-z]\w*_\w*[a-z0-9]\b|\bX-[a-z-]+/gi
const WORD = /\bx-[a-z-]+|[\w$]+/gi
/** `cors.origins`: a key of the config, from the top. */
const KEY =
  /\b(?:admins|console|cors|gateway|introspection|issuers|limits|retention|workflows)\.[a-z_.]+/g
const CALL = /\b(?:GET|POST|PUT|DELETE) \/[\w./{}-]*/g
/** `src/app.ts`, `test/race/redis*`. */
const PATHS = /`((?:src|test|config)\/[\w./{},*-]+)`/g
const SCRIPT = /\bnpm run ([\w-]+)/g

/** Names of other programs, by the file that has them. */
const FOREIGN: Readonly<Record<string, readonly string[]>> = {
  '.github/CONTRIBUTING.md': ['SERVICE_FROM'],
  'src/docs/android-kotlin.md': ['ERR_CACHE_MISS'],
  'src/docs/deploy.md': [
    'NODE_OPTIONS',
    'health_interval',
    'health_uri',
    'lb_try_duration',
    'reverse_proxy',
  ],
  'src/docs/errors.md': ['employee_id'],
  'src/docs/identity-providers-company.md': [
    'OIDC_id_token',
    'public_key',
    'x-forwarded-access-token',
    'x-goog-iap-jwt-assertion',
    'x-ms-token-aad-id-token',
  ],
  'src/docs/identity-providers-hosted.md': ['session_token'],
  'src/docs/move-to-self-hosted.md': [
    'GET /orders/{id}',
    'allow_origins',
    'atc_1',
    'client_max_body_size',
    'proxy_buffering',
    'rails_storage_proxy',
  ],
  'src/docs/nextjs.md': ['build'],
  'src/docs/operate.md': ['aof_rewrite_in_progress', 'tcp_wmem'],
  'src/docs/performance.md': ['PENDING_BYTE'],
  'src/docs/react.md': ['build'],
  // The script puts them together.
  'src/docs/store.md': ['reads_end_ms', 'uses_end_ms'],
  'src/docs/svelte.md': ['build'],
  'src/docs/vue.md': ['build'],
}

const spelled = (name: string) => (/^x-/i.test(name) ? name.toLowerCase() : name)
const wordsOf = (text: string) => Array.from(text.matchAll(WORD), ([word]) => spelled(word))

const inCode = new Set(
  globSync(['src/**/*.{ts,js}', 'config/**/*.*'], { cwd: ROOT })
    .filter((file) => !file.startsWith('src/docs/'))
    .flatMap((file) => wordsOf(readFileSync(join(ROOT, file), 'utf8'))),
)
const calls = new Set(Object.values(ROUTES).map(({ method, path }) => `${method} ${path}`))
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

/** Names in this text that stand neither in the code, nor in a block of the text itself. */
function unknownIn(text: string): readonly string[] {
  const own = new Set<string>()
  const marks: string[] = []
  marked.walkTokens(marked.lexer(text), (token) => {
    if (token.type === 'code') for (const word of wordsOf(token['text'])) own.add(word)
    if (token.type === 'codespan') marks.push(token['text'])
  })
  const isKnown = (word: string) => inCode.has(word) || own.has(word)
  const all = (pattern: RegExp) => marks.flatMap((mark) => mark.match(pattern) ?? [])
  return [
    ...all(NAME)
      .map(spelled)
      .filter((name) => !isKnown(name)),
    ...all(KEY).filter((key) => !key.split('.').every(isKnown)),
    ...(text.match(CALL) ?? []).filter((call) => !isCall(call)),
    ...Array.from(text.matchAll(SCRIPT), ([, name = '']) => name).filter(
      (name) => !(name in scripts),
    ),
  ]
}

/** Whether a route has this method and path; what stands for a parameter may be any text. */
function isCall(call: string): boolean {
  if (calls.has(call)) return true
  return [...calls].some((one) => new RegExp(`^${one.replaceAll(/\{\w+\}/g, '[^/]+')}$`).test(call))
}

describe('names in the text', () => {
  test.each(FILES)('%s', (file) => {
    const unknown = new Set(unknownIn(readFileSync(join(ROOT, file), 'utf8')))
    const foreign = FOREIGN[file] ?? []
    expect([...unknown].filter((name) => !foreign.includes(name))).toEqual([])
    // An exception that nothing needs would hide an error later.
    expect(foreign.filter((name) => !unknown.has(name))).toEqual([])
  })

  test.each([
    ['a key', '`limits.reads_per_usr`', ['reads_per_usr', 'limits.reads_per_usr']],
    ['a key without an underscore', '`cors.orgins`', ['cors.orgins']],
    ['a variable', '`SIGNING_KEYS_FILE`', ['SIGNING_KEYS_FILE']],
    ['a metric', '`chatkit_mint_missing_total`', ['chatkit_mint_missing_total']],
    ['a header', '`X-ChatKit-Usr`', ['x-chatkit-usr']],
    ['a call', 'as `POST /v1/session` says', ['POST /v1/session']],
    ['a method', 'as PUT /v1/sessions says', ['PUT /v1/sessions']],
    ['a script', 'npm run chek-config', ['chek-config']],
  ])('this test finds %s that is none', (_kind, text, found) => {
    expect(unknownIn(text)).toEqual(found)
    expect(unknownIn('`limits.reads_per_user`, `X-ChatKit-User`, `GET /v1/threads/thr_1`')).toEqual(
      [],
    )
  })
})

test.each(['README.md', '.github/CONTRIBUTING.md'])('%s names only files that exist', (file) => {
  const text = readFileSync(join(ROOT, file), 'utf8')
  const named = Array.from(text.matchAll(PATHS), ([, path = '']) => path)
  // A copy that the reader makes.
  const missing = named.filter(
    (path) => path !== 'config/local.yaml' && globSync(path, { cwd: ROOT }).length === 0,
  )
  expect(named).not.toEqual([])
  expect(missing).toEqual([])
})
