import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HELPER_CODES } from '../../src/commands/reference/client.ts'
import { NPM_COMMANDS } from '../../src/commands/reference/command-line.ts'
import { REFERENCE_PAGES } from '../../src/commands/reference/pages.ts'
import { TRACING_VARIABLES } from '../../src/config/tracing.ts'
import { environmentSchema } from '../../src/config/variables.ts'
import { GUIDES } from '../../src/http/docs/list.ts'
import { DEFINITIONS } from '../../src/http/telemetry/definitions.ts'
import { createMetrics } from '../../src/http/telemetry/metrics.ts'
import { guideText, ROOT } from './samples.ts'

// Some metrics of a process are there on Linux alone.
const isHere = (name: string) => name !== 'metrics' || process.platform === 'linux'

test.each(Object.entries(REFERENCE_PAGES).filter(([name]) => isHere(name)))(
  '%s.md is what write-docs writes',
  async (name, makePage) => {
    expect(guideText(name), 'run: npm run write-docs').toBe(await makePage())
  },
)

test('every page that is made from the code is in the list under Reference', () => {
  const listed = GUIDES.find(({ heading }) => heading === 'Reference')?.guides ?? []
  expect(listed.map(({ name }) => name)).toEqual(
    expect.arrayContaining(Object.keys(REFERENCE_PAGES)),
  )
})

/** First cells of all tables, without their code marks. */
function firstCells(page: string): readonly string[] {
  return Array.from(guideText(page).matchAll(/^\| `([^`]+)` \|/gm), ([, cell]) => cell ?? '')
}

test('the page about the environment has every variable of the contract, and what Node reads', () => {
  const contract =
    `CONFIG_FILE HOST PORT OPENAI_API_KEY OPENAI_BASE_URL OPENAI_ORG_ID OPENAI_PROJECT_ID STORE_URL
    METRICS_PORT METRICS_HOST LOG_LEVEL LOG_FORMAT HTTPS_PROXY HTTP_PROXY NO_PROXY NODE_EXTRA_CA_CERTS PUBLIC_URL
    USER_PSEUDONYM_KEY SIGNING_KEY_FILE CONSOLE_COOKIE_KEY`.split(/\s+/)
  expect(firstCells('environment')).toEqual(expect.arrayContaining(contract))
})

test('every variable of the environment has a description and stands once on its page', () => {
  const shown = firstCells('environment')
  expect(shown).toEqual([...new Set(shown)])
  for (const [name, schema] of Object.entries(environmentSchema.shape)) {
    expect(schema.description ?? '', name).toMatch(/\S\.$/)
    expect(shown).toContain(name)
  }
  expect(shown).toEqual(expect.arrayContaining(Object.keys(TRACING_VARIABLES)))
})

test.each(Object.entries(environmentSchema.shape))(
  'the page has the default of %s',
  (name, one) => {
    const shown = new RegExp(`^\\| \`${name}\` \\| (\\S+) \\|`, 'm').exec(
      guideText('environment'),
    )?.[1]
    const text = shown === '–' ? undefined : shown?.replaceAll('`', '')
    expect(one.safeParse(text).data).toEqual(one.safeParse(undefined).data)
    expect(text === undefined).toBe(one.safeParse(undefined).data === undefined)
  },
)

test('what npm starts is a script of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  for (const command of Object.keys(NPM_COMMANDS)) {
    expect(Object.keys(scripts)).toContain(/^npm (?:run )?([\w-]+)/.exec(command)?.[1])
  }
})

test('the page about metrics has each one that the service registers', async () => {
  const { app } = createMetrics({
    figures: async () => ({ activeSessions: 0, outboxLength: 0 }),
    keyAges: () => new Map(),
    breakers: () => [],
    mintsUnderWay: () => 0,
  })
  const text = await (await app.request('/metrics')).text()
  const ours = Array.from(text.matchAll(/^# TYPE (chatkit_mint_\S+)/gm), ([, name]) => name)
  expect(ours.toSorted()).toEqual(
    Object.values(DEFINITIONS)
      .map(({ name }) => name)
      .toSorted(),
  )
  expect(firstCells('metrics')).toEqual(expect.arrayContaining(ours))
})

describe('the page about the browser helper', () => {
  const read = (file: string) => readFileSync(join(ROOT, 'src/client', file), 'utf8')
  const page = guideText('client')

  test('has every function and class that it exports, and every option', () => {
    const exported = Array.from(
      read('client.js').matchAll(/^export (?:class|function) (\w+)/gm),
      ([, name]) => name ?? '',
    )
    expect(exported.length).toBeGreaterThan(2)
    for (const name of exported) expect(page).toContain(`\n## ${name}\n`)
    const options = read('client.js').matchAll(/@property \{.*\} \[?(\w+)\]? /g)
    const names = Array.from(options, ([, name]) => name)
    expect(names.length).toBeGreaterThan(7)
    expect(firstCells('client')).toEqual(
      expect.arrayContaining(names.filter((name) => name !== 'url')),
    )
    expect(page).toContain('| `url` (required) |')
  })

  test('has every code that the helper makes, and no other', () => {
    const made = read('client.js').matchAll(
      /(?:failWith|new MintError)\('(\w+)'|\? '(\w+)' : `http_/g,
    )
    const codes = Array.from(made, ([, one, other]) => one ?? other ?? '')
    expect([...new Set(codes)].toSorted()).toEqual(Object.keys(HELPER_CODES).toSorted())
  })
})
