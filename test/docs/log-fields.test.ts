import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EXAMPLE_LINES } from '../../src/commands/reference/log-fields.ts'
import { LINE_FIELDS, LOG_FIELDS, UPSTREAM_FIELDS } from '../../src/lib/log/fields.ts'
import { asAt, createThread } from '../gateway/scene.ts'
import { ADMINS, adminToken, secretOf } from '../support/admin-calls.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig } from '../support/chatkit/self-hosted.ts'
import { startService, tokenFor } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { guideText, ROOT } from './samples.ts'

const server = forAllTests(() => startSampleServer())
const running = forAllTests(() => {
  const config = selfHostedConfig({ server: server.url, more: ADMINS })
  return startService({ config, env: { PUBLIC_URL } })
})
const fields = Object.values<Readonly<Record<string, string>>>(LOG_FIELDS).flatMap(Object.keys)
const shown = Array.from(guideText('log-fields').matchAll(/^\| `(\w+)` \|/gm), ([, name]) => name)

/** A line of this message and route, from a service that has done a handful of requests. */
async function linesOfSomeRequests() {
  const post = (body: object) => ({
    method: 'POST',
    body: JSON.stringify(body),
    headers: JSON_TYPE,
  })
  expect((await running.mint(tokenFor(), post({ workflow: 'support' }))).status).toBe(200)
  expect((await running.mint(tokenFor('alice', { aud: 'web-app' }))).status).toBe(401)
  running.upstream.setFaults({ status: 500, times: 2 })
  expect((await running.mint(tokenFor(), post({ workflow: 'support' }))).status).toBe(503)
  const alice = asAt(`${running.url}/chatkit/helpdesk`, { secret: await secretOf(running) })
  const { id } = await createThread(alice)
  const calls: readonly (readonly [string, string, RequestInit?])[] = [
    [`/v1/threads/${id}`, tokenFor()],
    ['/v1/threads/cthr_nobodys', tokenFor()],
    ['/v1/admin/sessions', adminToken()],
    ['/v1/admin/sessions', tokenFor()],
    ['/v1/admin/users/alice/revoke', adminToken(), post({ reason: 'left' })],
    ['/nowhere', ''],
  ]
  for (const [path, token, init] of calls) {
    const headers = { ...init?.headers, authorization: `Bearer ${token}` }
    await (await fetch(running.url + path, { ...init, headers })).text()
  }
  await expect.poll(() => running.log.filter(({ action }) => action === 'revoke')).toHaveLength(1)
  return running.log
}

const JSON_TYPE = { 'content-type': 'application/json' }

test('every field of a handful of requests is on the page, and the examples have the fields of real lines', async () => {
  const lines = await linesOfSomeRequests()
  expect(lines.length).toBeGreaterThan(12)
  const seen = new Set(lines.flatMap(Object.keys))
  expect(shown).toEqual(expect.arrayContaining([...seen]))
  const nested = lines.flatMap(({ upstream }) => Object.keys(Object(upstream)))
  expect(Object.keys(UPSTREAM_FIELDS)).toEqual(expect.arrayContaining([...new Set(nested)]))

  const [mint] = lines.filter(({ msg, session }) => msg === 'request' && session !== undefined)
  const [refusal] = lines.filter(({ code }) => code === 'invalid_token')
  const [audit] = lines.filter(({ action }) => action === 'revoke')
  expect(formOf(EXAMPLE_LINES.mint)).toEqual(formOf(mint))
  expect(formOf(EXAMPLE_LINES.refusal)).toEqual(formOf(refusal))
  expect(formOf(EXAMPLE_LINES.audit)).toEqual(formOf(audit))
  expect(EXAMPLE_LINES.refusal.reason).toBe(refusal?.['reason'])
})

/** The fields of a line in their order, and the types of their values. */
function formOf(line: object | undefined): unknown {
  return Object.entries(line ?? {}).map(([name, value]) => [
    name,
    typeof value === 'object' ? formOf(value) : typeof value,
  ])
}

test('each field is on the page once, and stands in code that writes to the log', () => {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts') && !/^(?:embedded|commands)\/|log\/fields/.test(file))
    .map((file) => readFileSync(join(ROOT, 'src', file), 'utf8'))
    .filter((text) => /\blib\/log(?:\/fields)?\.ts'/.test(text))
  expect(files.length).toBeGreaterThan(20)
  for (const name of fields) {
    const used = files.filter((text) => new RegExp(`[{,]\\s*${name}\\b|\\b${name}:`).test(text))
    expect({ name, used: used.length > 0 }).toEqual({ name, used: true })
  }
  expect(fields).toEqual([...new Set(fields)])
  const all = [...Object.keys(LINE_FIELDS), ...fields, ...Object.keys(UPSTREAM_FIELDS)]
  expect(shown.toSorted()).toEqual(all.toSorted())
})
