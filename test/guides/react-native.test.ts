import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { sampleOf } from '../docs/samples.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { inShell, reachesRegistry } from './perform.ts'

// The recipe for React Native, against the types of React Native: its `setTimeout` and `fetch` are not a browser's.

/** All that the compiler reads. An installation brings 150 more packages, and takes five times as long. */
const PACKAGES = {
  'react-native': '0.88',
  '@react-native/virtualized-lists': '0.88',
  '@react-native/typescript-config': '0.87',
  'react-native-webview': '16',
  '@types/react': '19',
  csstype: '3',
}

const wanted = Object.entries(PACKAGES).map((pair) => pair.join('@'))

const UNPACK = `set -eu
archives=$(npm pack --silent ${wanted.join(' ')})
set -- $archives
for name in ${Object.keys(PACKAGES).join(' ')}; do
  mkdir -p node_modules/$name
  tar -xzf "$1" --strip-components=1 -C node_modules/$name
  shift
done`

/** The one of this project, which needs no installation. */
const TSC = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))

const CONFIG = {
  extends: '@react-native/typescript-config',
  // The template's own has those of jest.
  compilerOptions: { types: [], noUnusedLocals: true },
  include: ['*.tsx'],
}

describe.runIf(await reachesRegistry())('React Native (needs npm registry)', () => {
  test('the component fits the types of React Native and of its web view', async () => {
    const folder = scratchFolder()
    writeFileSync(join(folder, 'package.json'), '{ "private": true }')
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG))
    await inShell(UNPACK, folder)
    const sample = sampleOf('react-native', 'tsx')
    writeFileSync(join(folder, 'Chat.tsx'), sample)
    const wrong = sample.replace('nativeEvent.data', 'nativeEvent.text')
    writeFileSync(join(folder, 'Wrong.tsx'), wrong)
    // One run for both, as it takes seconds: the component has no error, its copy with a wrong name has one.
    const said = await inShell(`${TSC} --noEmit --pretty false`, folder).catch(String)
    const errors = String(said).match(/^\w+\.tsx.*/gm)
    expect(errors).toEqual([expect.stringMatching(/^Wrong\.tsx.*'text' does not exist/)])
  }, 300_000)
})
