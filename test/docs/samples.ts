import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { marked } from 'marked'
import { NODE } from '../support/service-process.ts'

/** The top of the repository. */
export const ROOT = resolve(import.meta.dirname, '../..')
const DOCS = join(ROOT, 'src/docs')

/** A fenced block of a guide. */
export interface Sample {
  /** The guide, without `.md`. */
  readonly guide: string
  readonly language: string
  readonly text: string
  /** `react-2.tsx`: the second block of the guide. */
  readonly file: string
  /** `src/App.tsx`: the file that the block is, where the paragraph before it begins with one in backticks. */
  readonly path: string | undefined
  /** Whether it stands in a numbered section, which readers perform from the first to the last. */
  readonly isStep: boolean
}

/** Names of all guides, without `.md`. */
export const guideNames: readonly string[] = readdirSync(DOCS)
  .filter((file) => file.endsWith('.md'))
  .map((file) => file.slice(0, -'.md'.length))
  .toSorted()

export function guideText(name: string): string {
  return readFileSync(join(DOCS, `${name}.md`), 'utf8')
}

let parsed: readonly Sample[] | undefined

/** Every fenced block of every guide, those in lists too. The guides are parsed at the first call. */
export function samples(): readonly Sample[] {
  parsed ??= guideNames.flatMap(samplesOf)
  return parsed
}

function samplesOf(guide: string): readonly Sample[] {
  const found: Sample[] = []
  let path: string | undefined
  let isStep = false
  marked.walkTokens(marked.lexer(guideText(guide)), (token) => {
    const text = 'text' in token ? String(token.text) : ''
    if (token.type === 'heading' && token['depth'] === 2) isStep = /^\d+\. /.test(text)
    if (token.type === 'paragraph') path = /^[^`]*`([\w./-]+\.[a-z]+)`/.exec(text)?.[1]
    if (token.type !== 'code') return
    const language = String(token['lang'] ?? '')
    const file = `${guide}-${found.length + 1}.${language}`
    found.push({ guide, language, text, file, path, isStep })
    path = undefined
  })
  return found
}

/** The blocks of these languages; throws when there is none, so that no test runs on nothing. */
export function samplesIn(...languages: readonly string[]): readonly Sample[] {
  const found = samples().filter(({ language }) => languages.includes(language))
  if (found.length === 0) throw new Error(`no sample in ${languages.join(', ')}`)
  return found
}

/** The only block of a guide in a language. */
export function sampleOf(guide: string, language: string): string {
  const found = samplesIn(language).filter((sample) => sample.guide === guide)
  if (found[0] === undefined || found.length > 1) throw new Error(`not one ${language} in ${guide}`)
  return found[0].text
}

const run = promisify(execFile)

/** Programs that run samples one after another, with a line behind each: `===== 0`, or another number if it failed. */
const PROGRAMS = {
  curl: (sources: readonly string[]) => {
    const options = `--silent --show-error --fail -w '%{http_code}' 2>&1`
    const lines = sources.map((one) => `${one} ${options}; printf '\\n===== %s\\n' $?`)
    return ['bash', ['-c', lines.join('\n')]] as const
  },
  JavaScript: (sources: readonly string[], folder: string) => {
    const files = sources.map((source, at) => {
      writeFileSync(join(folder, `${at}.mjs`), source)
      return `./${at}.mjs`
    })
    const text = `for (const file of ${JSON.stringify(files)}) {
      const failed = await import(file).then(() => 0, (error) => console.log(error) ?? 1)
      console.log('===== ' + failed)
    }`
    writeFileSync(join(folder, 'all.mjs'), text)
    return [NODE, ['all.mjs']] as const
  },
  Python: (sources: readonly string[]) => {
    const text = `
import sys, traceback
for source in ${JSON.stringify(sources)}:
    failed = 0
    try: exec(source, {})
    except Exception: failed = 1; traceback.print_exc(file=sys.stdout)
    print("=====", failed)`
    return ['/usr/bin/python3', ['-c', text]] as const
  },
}

export type Language = keyof typeof PROGRAMS
export const LANGUAGES = Object.keys(PROGRAMS) as Language[]

/** Runs samples of a language in one process, and gives what each has printed, and whether it failed. */
export async function runSamples(
  language: Language,
  sources: readonly string[],
  { folder, env }: { readonly folder: string; readonly env: Readonly<Record<string, string>> },
) {
  const [program, options] = PROGRAMS[language](sources, folder)
  const { stdout } = await run(program, [...options], {
    cwd: folder,
    env: { PATH: process.env['PATH'], ...env },
  })
  const parts = stdout.split(/^===== (\d+)\n/m)
  return sources.map((_, at) => ({
    output: parts[2 * at] ?? '',
    failed: parts[2 * at + 1] !== '0',
  }))
}
