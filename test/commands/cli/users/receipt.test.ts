import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { ADMIN_CONFIG, adminToken, revoke, secretOf } from '../../../support/admin-calls.ts'
import { startService } from '../../../support/running-service.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { forAllTests } from '../../../support/started.ts'
import { quickCli } from '../run-cli.ts'

const PUBLIC_URL = 'https://chat.example.com'
const running = forAllTests(() => startService({ config: ADMIN_CONFIG, env: { PUBLIC_URL } }))
const folder = scratchFolder()
const [receipt, keys] = [join(folder, 'alice.jws'), join(folder, 'jwks.json')]
const from = () => ['--url', running.url]
const cli = (...words: string[]) =>
  quickCli(['users', 'receipt', ...words], { CHATKIT_MINT_TOKEN: adminToken() })
const verify = (file: string, ...flags: string[]) =>
  cli('--verify', file, '--url', PUBLIC_URL, '--keys', keys, ...flags)

beforeAll(async () => {
  await secretOf(running, 'alice')
  await revoke(running, 'alice')
  const { code, err } = await cli('alice', ...from(), '--output', receipt)
  expect([code, err]).toEqual([0, `written to ${receipt}: 1 session of alice\n`])
  writeFileSync(keys, await (await fetch(`${running.url}/.well-known/jwks.json`)).text())
})

test('a receipt is saved for its owner alone, and verified with a file of keys, without the service', async () => {
  expect(statSync(receipt).mode & 0o777).toBe(0o600)
  const { code, out, err } = await verify(receipt)
  expect([code, err]).toEqual([0, ''])
  expect(out).toMatch(/signed by +https:\/\/chat\.example\.com\n/)
  expect(out).toMatch(/support +│ .* │ cancelled +│ .* │ https:\/\/issuer\.test\|ada/)
  const json = await verify(receipt, '--json')
  expect(JSON.parse(json.out)).toMatchObject({ iss: PUBLIC_URL, user: 'alice', generation: 1 })
})

test('a receipt is printed when no file is named, with a remark when it knows nothing of the user', async () => {
  const { code, out, err } = await cli('nobody', '--since', '2026-01-01', ...from())
  expect([code, out]).toEqual([0, expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/)])
  expect(err).toContain('nothing is known of this user')
})

test('the keys can be at the address that publishes them', async () => {
  const address = `${running.url}/.well-known/jwks.json`
  const ours = await cli('--verify', receipt, '--url', PUBLIC_URL, '--keys', address)
  expect(ours.code).toBe(0)
  // Without --url, the address of the keys names the signer.
  const { code, err } = await cli('--verify', receipt, '--keys', address)
  expect(code).toBe(1)
  expect(err).toContain(`no receipt of ${running.url}: its iss is another, "${PUBLIC_URL}".`)
})

test('a changed receipt, one of another user or issuer, and a text that is none are refused', async () => {
  const altered = join(folder, 'altered.jws')
  const text = readFileSync(receipt, 'utf8')
  writeFileSync(
    altered,
    text.replace(
      /\.[\w-]{20}./,
      (part) => `${part.slice(0, -1)}${part.at(-1) === 'A' ? 'B' : 'A'}`,
    ),
  )
  expect(await verify(altered)).toMatchObject({ code: 1, out: '' })
  expect((await verify(altered)).err).toMatch(/no receipt of https:\/\/chat\.example\.com/)
  expect((await cli('bob', '--verify', receipt, '--url', PUBLIC_URL, '--keys', keys)).err).toMatch(
    /the receipt is of alice/,
  )
  const other = await cli('--verify', receipt, '--url', 'https://other.example', '--keys', keys)
  expect([other.code, other.err]).toEqual([1, expect.stringContaining('iss')])
  expect((await verify(keys)).code).toBe(1)
  expect((await cli('--verify', receipt, '--url', PUBLIC_URL, '--keys', receipt)).code).toBe(1)
})

test.each([
  [[], 'no user is named'],
  [['alice', '--keys', 'x', '--url', 'https://chat.example.com'], '--keys goes with --verify'],
  [['--verify', 'x', '--keys', 'y'], 'the signer is not named'],
  [['--verify', 'x', '--since', '1'], '--since'],
  [['--verify', 'x', '--keys', 'http://chat.example.com/jwks.json', '--url', PUBLIC_URL], 'https'],
])('users receipt %j is a wrong use', async (words, why) => {
  const { code, err } = await cli(...words)
  expect([code, err]).toEqual([2, expect.stringContaining(why)])
})

test('a receipt or key file that is not there ends with 66', async () => {
  expect((await verify(join(folder, 'nothing.jws'))).code).toBe(66)
  const none = await cli('--verify', receipt, '--url', PUBLIC_URL, '--keys', join(folder, 'none'))
  expect(none.code).toBe(66)
})
