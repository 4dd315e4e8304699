import { spawnSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { ADMIN_CONFIG, adminToken } from '../../support/admin-calls.ts'
import { startService } from '../../support/running-service.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { NODE } from '../../support/service-process.ts'
import { forAllTests } from '../../support/started.ts'

// A client that a generator makes from /openapi.json compiles, refuses wrong types, and works.

const ROOT = resolve(import.meta.dirname, '../../..')
const load = createRequire(import.meta.url)
const folder = scratchFolder()
const running = forAllTests(() => startService({ config: ADMIN_CONFIG }))

const RIGHT = `import { AdminService, ApiError, OpenAPI, SessionsService, ThreadsService } from './generated'
import type { Problem, Revoked, Session, SessionList, ThreadList } from './generated'

export async function run(base: string, token: string) {
  Object.assign(OpenAPI, { BASE: base, TOKEN: token })
  const minted: string = (await SessionsService.createSession({ requestBody: { workflow: 'support' } })).client_secret
  const page = (await AdminService.listSessions({ limit: 1, order: 'desc', user: 'ada' })) as SessionList
  const [session]: Session[] = page.data
  const age: number | undefined = session && session.expires_at - session.created_at
  const threads: ThreadList = await ThreadsService.listOwnThreads({ limit: 5 })
  const titles: (string | null)[] = threads.data.map((thread) => thread.title)
  const revoked: Revoked = await AdminService.revoke({ requestBody: { user: 'bob', block_seconds: 60 } })
  const until: number | null = revoked.blocked_until
  const refusal: unknown = await AdminService.readSession({ id: 'cksess_none' }).catch((error) => error)
  const problem: Problem | undefined = refusal instanceof ApiError ? refusal.body : undefined
  return { minted, session, age, titles, until, code: problem?.code }
}
`

/** One line, one error. */
const WRONG = [
  "import { AdminService, SessionsService, type Thread, type ThreadItem } from './generated'",
  "void AdminService.listSessions({ limit: '5' })",
  "void AdminService.listSessions({ order: 'up' })",
  "void AdminService.revoke({ requestBody: { user: 'bob', block_seconds: '60' } })",
  'void SessionsService.createSession({ requestBody: { user: "mallory" } })',
  'export const created = (thread: Thread): string => thread.created_at',
  'export const id = (item: ThreadItem): number => item.id',
]

/** Skipped where it is not installed; in CI that is a failure. */
const wanted =
  existsSync(join(ROOT, 'node_modules/openapi-typescript-codegen')) || process.env['CI'] === 'true'

describe.runIf(wanted)('a client from a generator (needs openapi-typescript-codegen)', () => {
  let errors: string[]
  beforeAll(async () => {
    const input: unknown = await (await fetch(`${running.url}/openapi.json`)).json()
    const output = join(folder, 'generated')
    const { generate } = load('openapi-typescript-codegen')
    await generate({ input, output, httpClient: 'fetch', useOptions: true, useUnionTypes: true })
    writeFileSync(join(folder, 'right.ts'), RIGHT)
    writeFileSync(join(folder, 'wrong.ts'), WRONG.join('\n'))
    const options = ['--module', 'commonjs', '--moduleResolution', 'bundler', '--types', '']
    const more = ['--strict', '--target', 'es2022', '--lib', 'es2022,dom', '--outDir', 'built']
    const words = [
      ...options,
      ...more,
      '--singleThreaded',
      '--ignoreConfig',
      '--pretty',
      'false',
      'right.ts',
      'wrong.ts',
    ]
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc')
    const { stdout } = spawnSync(NODE, [tsc, ...words], { cwd: folder, encoding: 'utf8' })
    errors = stdout.split('\n').filter((line) => line.includes('error TS'))
  })

  test('compiles; wrong types in a program that uses it do not', () => {
    const lines = WRONG.flatMap((_, at) => (at === 0 ? [] : [`wrong.ts(${at + 1},`]))
    expect(errors.map((error) => error.slice(0, error.indexOf(',') + 1))).toEqual(lines)
  })

  test('mints, lists, revokes, and gives problems their type', async () => {
    const { run } = load(join(folder, 'built/right.js'))
    expect(await run(running.url, adminToken())).toEqual({
      minted: expect.stringMatching(/^ek_/),
      session: expect.objectContaining({ object: 'chatkit_mint.session', user: 'ada' }),
      age: 600,
      titles: [],
      until: expect.any(Number),
      code: 'not_found',
    })
  })
})
