import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { sampleOf } from '../docs/samples.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { inShell, reachesRegistry } from './perform.ts'

// The recipe for React Native, against the types of React Native: its `setTimeout` and `fetch` are not a browser's.

const PACKAGES = [
  'react-native@0.88',
  'react-native-webview@16',
  'react@19',
  '@types/react@19',
  '@react-native/typescript-config@0.87',
]

/** The one of this project, which needs no installation. */
const TSC = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))

const CONFIG = {
  extends: '@react-native/typescript-config',
  // The template's own has those of jest.
  compilerOptions: { types: [], noUnusedLocals: true },
  include: ['Chat.tsx'],
}

describe.runIf(await reachesRegistry())('React Native (needs npm registry)', () => {
  test('the component fits the types of React Native and of its web view', async () => {
    const folder = scratchFolder()
    writeFileSync(join(folder, 'package.json'), '{ "private": true }')
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(CONFIG))
    await inShell(`npm install --ignore-scripts --legacy-peer-deps ${PACKAGES.join(' ')}`, folder)
    const sample = sampleOf('react-native', 'tsx')
    writeFileSync(join(folder, 'Chat.tsx'), sample)
    await inShell(`${TSC} --noEmit`, folder)
    writeFileSync(join(folder, 'Chat.tsx'), sample.replace('nativeEvent.data', 'nativeEvent.text'))
    await expect(inShell(`${TSC} --noEmit`, folder)).rejects.toThrow(/'text' does not exist/)
  }, 300_000)
})
