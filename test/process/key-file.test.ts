import { unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { startMember } from '../support/fleet.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'

const FIRST = 'sk-proj-first-0123456789abcdef'
const SECOND = 'sk-proj-second-0123456789abcdef'
const THIRD = 'sk-proj-third-0123456789abcdef'

const upstream = forAllTests(() => startWatchedUpstream())

const directory = scratchFolder()
const keyFile = join(directory, 'key')
writeFileSync(keyFile, `${FIRST}\n`)
const service = forAllTests(() =>
  startMember({ upstream, env: { OPENAI_API_KEY: '', OPENAI_API_KEY_FILE: keyFile } }),
)

let users = 0

/** Mints a session, which must work, and tells with which key. */
async function keyOfNextMint(): Promise<string> {
  expect((await service.mint(`user-${users++}`)).status).toBe(200)
  return (upstream.authorizations.at(-1) ?? '').replace('Bearer ', '')
}

/** The file is looked at once a second at most. */
async function keyBecomes(key: string): Promise<void> {
  await expect.poll(keyOfNextMint, { timeout: 10_000, interval: 100 }).toBe(key)
}

async function keyStays(key: string): Promise<void> {
  for (let at = 0; at < 15; at++) {
    expect(await keyOfNextMint()).toBe(key)
    await setTimeout(100)
  }
}

test('a key file is read again when it changes, without a restart', async () => {
  expect(await keyOfNextMint()).toBe(FIRST)
  writeFileSync(keyFile, `${SECOND}\n`)
  await keyBecomes(SECOND)
})

test('a file that is empty or gone leaves the old key, and the log says so once it stays like that', async () => {
  const warnings = () =>
    service.log().filter(({ msg }) => String(msg).startsWith('OPENAI_API_KEY_FILE: '))
  writeFileSync(keyFile, '')
  await keyStays(SECOND)
  unlinkSync(keyFile)
  await keyStays(SECOND)
  await expect.poll(warnings).toHaveLength(1)
  writeFileSync(keyFile, THIRD)
  await keyBecomes(THIRD)
})

test('a text that can be no key leaves the old key, and the log says why', async () => {
  const warnings = () =>
    service.log().flatMap(({ msg }) => (String(msg).startsWith('OPENAI_API_KEY:') ? [msg] : []))
  for (const [text, problem] of [
    [`"${SECOND}"`, 'is in quotes; leave them out'],
    [`${SECOND}\n${FIRST}`, 'has characters that no key has; paste it again'],
  ] as const) {
    writeFileSync(keyFile, text)
    await keyStays(THIRD)
    await expect
      .poll(warnings)
      .toContain(
        `OPENAI_API_KEY: what its file holds now ${problem}; the key before it stays in use`,
      )
  }
  expect(warnings()).toHaveLength(2)
  writeFileSync(keyFile, FIRST)
  await keyBecomes(FIRST)
})

test('the log tells none of the keys', () => {
  for (const key of [FIRST, SECOND, THIRD]) expect(service.stdout()).not.toContain(key)
  expect(service.stderr()).toBe('')
})
