import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { ADMINS, revoke, secretOf, sessionsOf } from '../support/admin-calls.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { ROOT, sampleOf } from './samples.ts'

// The recipe for React Native, run against the service. React's hooks and React Native are stand-ins: the component is
// called once, and its handler gets what the page would send.

const STAND_INS: Readonly<Record<string, string>> = {
  react: `export const useRef = (current) => ({ current })
    export const useState = (value) => [value, (next) => globalThis.blockedStates.push(next)]`,
  'react-native': 'export const Linking = {}, Text = "Text"',
  'react-native-webview': 'export const WebView = "WebView"',
}

interface Props {
  token(): Promise<string>
  signIn(): void
}

interface Element {
  readonly props: {
    readonly ref: { current: unknown }
    onMessage(event: { nativeEvent: { url: string; data: string } }): void
  }
}

const blockedStates: unknown[] = []
Object.assign(globalThis, { blockedStates })

const server = forAllTests(() => startSampleServer())
const running = forAllTests(() =>
  startService({
    config: selfHostedConfig({ server: server.url, more: ADMINS }),
    env: { PUBLIC_URL },
  }),
)
const folder = scratchFolder()
let Chat: (props: Props) => Element

beforeAll(async () => {
  mkdirSync(join(folder, 'stand-ins'))
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  let text = sampleOf('react-native', 'tsx').replaceAll('https://chat.example.com', running.url)
  for (const [name, script] of Object.entries(STAND_INS)) {
    writeFileSync(join(folder, 'stand-ins', `${name}.js`), script)
    text = text.replace(`from '${name}'`, `from './stand-ins/${name}.js'`)
  }
  writeFileSync(join(folder, 'Chat.tsx'), text)
  Chat = (await import(join(folder, 'Chat.tsx'))).Chat
})

/** The component as a page meets it, signed in with `token`. */
function chatOf(token: string) {
  const signedOut: string[] = []
  const answers: string[] = []
  const { props } = Chat({ token: async () => token, signIn: () => signedOut.push('signIn') })
  props.ref.current = { injectJavaScript: (script: string) => answers.push(script) }
  return {
    signedOut,
    answers,
    ask(id: string, url = 'https://app.example.com/chat.html') {
      props.onMessage({ nativeEvent: { url, data: JSON.stringify({ id, current: null }) } })
    },
  }
}

describe('the recipe for React Native', () => {
  test('answers those who ask at the same time from one call', async () => {
    const { ask, answers } = chatOf(tokenFor('alice'))
    ask('one')
    ask('two')
    await expect.poll(() => answers).toHaveLength(2)
    const secrets = answers.map((script) => /"secret":"(eyJ[^"]+)"/.exec(script)?.[1])
    expect(secrets[0]).toBeDefined()
    expect(secrets[1]).toBe(secrets[0])
    expect(answers[1]).toContain('"id":"two"')
    expect(await sessionsOf(running, 'alice')).toHaveLength(1)
    ask('three')
    await expect.poll(() => sessionsOf(running, 'alice')).toHaveLength(2)
  })

  test('signs in again when the token is refused, and gives the page the code', async () => {
    const { ask, answers, signedOut } = chatOf(tokenFor('alice', { exp: 1 }))
    ask('one')
    await expect.poll(() => signedOut).toEqual(['signIn'])
    expect(answers).toEqual(['clientSecretAnswer({"id":"one","code":"token_expired"}); true'])
    expect(blockedStates).toEqual([])
  })

  test('closes the chat of a user who is blocked', async () => {
    await secretOf(running, 'bob')
    await revoke(running, 'bob', { block_seconds: 60 })
    const { ask, answers, signedOut } = chatOf(tokenFor('bob'))
    ask('one')
    await expect.poll(() => blockedStates).toEqual([true])
    expect(answers).toEqual(['clientSecretAnswer({"id":"one","code":"user_blocked"}); true'])
    expect(signedOut).toEqual([])
  })

  test('answers no other page', async () => {
    const { ask, answers } = chatOf(tokenFor('alice'))
    const before = running.log.length
    ask('one', 'https://evil.example/chat.html')
    ask('two', 'https://app.example.com/other.html')
    await new Promise(setImmediate)
    expect(answers).toEqual([])
    expect(running.log.length).toBe(before)
  })
})
