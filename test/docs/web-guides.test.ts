import { describe, expect, test } from 'vitest'
import { VERSION } from '../../src/lib/version.ts'
import { guideNames, guideText, samples, samplesIn } from './samples.ts'

// A page stays blank without ChatKit's script and without a height, and an import can be anybody's where nobody
// owns its name.

const SCRIPT = 'https://cdn.platform.openai.com/deployments/chatkit/chatkit.js'

/** Names in registries that belong to whom the guides mean; ours comes as a file. */
const KNOWN = [
  '@chatkit-mint/client',
  '@openai/chatkit',
  '@openai/chatkit-react',
  '@vitejs/plugin-vue',
  'chatkit-node-backend-sdk',
  'express',
  'jose',
  'next/headers',
  'next/navigation',
  'openai',
  'react',
  'react-native',
  'react-native-webview',
  'svelte',
  'vite',
  'vue',
]

const importsIn = (text: string): readonly string[] =>
  Array.from(text.matchAll(/\bfrom '([^'.][^']*)'/g), ([, name]) => name ?? '')

describe('imports of samples', () => {
  const scripts = samplesIn('ts', 'tsx', 'js', 'html', 'vue', 'svelte', 'sh')

  test.each(scripts.filter(({ text }) => importsIn(text).length > 0))('$file', ({ text }) => {
    for (const name of importsIn(text)) {
      if (name !== 'https://chat.example.com/client.js') expect(KNOWN).toContain(name)
    }
  })

  test('the helper is nowhere taken from a registry', () => {
    for (const guide of guideNames) {
      const text = guideText(guide).replaceAll('@chatkit-mint/client@https:', '')
      expect(text).not.toMatch(/(?:install|add) @?chatkit-mint|['"]chatkit-mint['"/]/)
    }
  })
})

describe.each(['html', 'react', 'nextjs', 'vue', 'svelte'])('%s', (guide) => {
  const text = samples()
    .filter((sample) => sample.guide === guide)
    .map((sample) => sample.text)
    .join('\n')

  test('loads the script, gives the element a height, and asks a service of another origin', () => {
    expect(text).toMatch(new RegExp(`<script src="${SCRIPT}" async`))
    expect(text).toMatch(/display: '?block'?[;,] height: /)
    expect(text).toContain("url: 'https://chat.example.com'")
  })

  test('shows a self-hosted workflow first, and what ends as what ends', () => {
    const whole = guideText(guide)
    const hosted = whole.indexOf('## A hosted workflow, until 2026-11-30')
    expect(whole.indexOf("'https://chat.example.com/chatkit/helpdesk'")).toBeGreaterThan(0)
    expect(hosted).toBeGreaterThan(whole.lastIndexOf('/chatkit/helpdesk'))
  })
})

test.each(['react', 'nextjs', 'vue', 'svelte'])(
  '%s keeps the package of this version in the app',
  (guide) => {
    const text = guideText(guide)
    const file = `vendor/chatkit-mint-client-${VERSION}.tgz`
    expect(text).toContain(`--output ${file} https://chat.example.com/client.tgz\n`)
    expect(text).toContain(`npm install ./${file}\n`)
    const named = Array.from(
      text.matchAll(/chatkit-mint-client-(.*?)\.tgz/g),
      ([, version]) => version,
    )
    expect(new Set(named)).toEqual(new Set([VERSION]))
  },
)

test.each(['html', 'react', 'nextjs'])('%s says where a refused origin is mended', (guide) => {
  expect(guideText(guide)).toMatch(
    /^\|.*`blocked by CORS policy`.*`Cross-Origin Request Blocked`.*`cors\.origins`.*received.*expected/m,
  )
})

test('the route that forwards a mint compares the Origin before it reads the session', () => {
  const route = samplesIn('ts').find(({ text }) => text.includes('await tokenOfSession()'))?.text
  const origin = route?.indexOf("request.headers.get('Origin') !== APP_ORIGIN") ?? -1
  expect(origin).toBeGreaterThan(0)
  expect(route?.indexOf('tokenOfSession()')).toBeGreaterThan(origin)
})
