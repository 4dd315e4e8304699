import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { scratchFolder } from '../support/scratch-folder.ts'
import { ROOT, type Sample, samplesIn } from './samples.ts'

// Every sample in TypeScript or JavaScript, the scripts in HTML too, against the types of browser,
// React, ChatKit and the helper. What a reader's own app supplies is in ambient.d.ts.

const folder = scratchFolder()

interface File {
  readonly name: string
  readonly text: string
}

/** Under its own path, so that files of one guide find each other. */
const fileOf = ({ guide, file, path, text }: Sample): File => ({
  name: path === undefined ? file : join(guide, path),
  text,
})

const typescript: readonly File[] = [
  ...samplesIn('ts', 'tsx').map(fileOf),
  ...samplesIn('vue', 'svelte').map((sample) => {
    const script = /<script (?:setup )?lang="ts">\n([\s\S]*?)<\/script>/.exec(sample.text)?.[1]
    return { name: `${fileOf(sample).name}.ts`, text: script ?? '' }
  }),
]
const javascript: readonly File[] = [
  ...samplesIn('js').map(({ file, text }) => ({ name: file, text })),
  ...samplesIn('html').flatMap(({ file, text }) =>
    Array.from(
      text.matchAll(/<script type="module">\n([\s\S]*?)<\/script>/g),
      ([, script], at) => ({ name: `${file}-${at + 1}.js`, text: script ?? '' }),
    ),
  ),
]

/** A reader's strict TypeScript; and JavaScript as an editor checks it, where nobody writes types. */
const STRICT = { strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true }
/** Declarations are those of the strict check, which looks at them all. */
const EDITOR = { strict: false, allowJs: true, checkJs: true, skipLibCheck: true }

/** Tells TypeScript that `openai-chatkit` is an element. */
const ELEMENTS = join(ROOT, 'node_modules/@openai/chatkit/types/dom-augment.d.ts')

/** The errors of a small project of these files. */
function errorsIn(name: string, files: readonly File[], options: object): string[] {
  const project = join(folder, name)
  mkdirSync(project)
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'))
  copyFileSync(join(import.meta.dirname, 'ambient.d.ts'), join(project, 'ambient.d.ts'))
  for (const { name: file, text } of files) {
    mkdirSync(dirname(join(project, file)), { recursive: true })
    writeFileSync(join(project, file), text)
  }
  const compilerOptions = {
    skipLibCheck: false,
    ...options,
    target: 'ES2022',
    module: 'ESNext',
    moduleResolution: 'Bundler',
    moduleDetection: 'force',
    lib: ['ES2022', 'DOM', 'DOM.Iterable'],
    types: [],
    jsx: 'react-jsx',
    allowImportingTsExtensions: true,
    noEmit: true,
    paths: { '@chatkit-mint/client': [join(ROOT, 'src/client/client.d.ts')] },
  }
  const config = {
    compilerOptions,
    files: [ELEMENTS, 'ambient.d.ts', ...files.map((file) => file.name)],
  }
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config))
  const tsc = join(ROOT, 'node_modules/.bin/tsc')
  const { stdout, status } = spawnSync(tsc, ['-p', project, '--singleThreaded'], {
    encoding: 'utf8',
  })
  const errors = stdout.match(/^.*error TS.*$/gm) ?? []
  if (status !== 0 && errors.length === 0) throw new Error(stdout)
  return errors
}

/** Type errors of these files, and of a copy in which another word replaces every `from`. */
function checked(name: string, files: readonly File[], options: object, from: string, to: string) {
  const changed = files.map((file) => ({
    name: join('changed', file.name),
    text: file.text.replace(from, to),
  }))
  const errors = errorsIn(name, [...files, ...changed], options)
  const inCopy = (line: string) => line.includes('changed/')
  return {
    ofSamples: errors.filter((line) => !inCopy(line)),
    ofCopy: errors.filter(inCopy).join('\n'),
  }
}

test.each([
  ['TypeScript', 'getToken', 'token', typescript, STRICT],
  ['JavaScript', 'domainKey', 'domain', javascript, EDITOR],
] as const)(
  'samples in %s fit the types, and would not, were the option %s another',
  (language, name, other, samples, options) => {
    expect(samples.length).toBeGreaterThanOrEqual(4)
    const errors = checked(language.toLowerCase(), samples, options, `${name}:`, `${other}:`)
    expect(errors.ofSamples).toEqual([])
    expect(errors.ofCopy).toContain(`'${other}' does not exist`)
  },
)
