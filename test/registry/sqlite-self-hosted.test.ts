import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ownedRows } from '../../src/registry/sqlite/ownership.ts'
import { listText } from '../../src/registry/sqlite/pages.ts'
import { createSqliteRegistry } from '../../src/registry/sqlite.ts'
import {
  entry,
  NOW,
  ownership,
  type PlainRegistry,
  retention,
} from '../contracts/registry-fixtures.ts'
import { plain } from '../support/ids.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

const PROCESS = fileURLToPath(new URL('./self-hosted-process.ts', import.meta.url))

let path: string
let registry: PlainRegistry

beforeEach(() => {
  path = join(scratchFolder(), 'mint.db')
  registry = plain(createSqliteRegistry({ path }))
})
afterEach(async () => {
  await registry.close()
})

const ONCE = { maxPerMinute: 1, counts: 'run' } as const
const USE = { id: 's1', user: 'alice', nowMs: NOW * 1000, ...ONCE }

describe('the SQLite file of self-hosted workflows', () => {
  it('has uses, states and ownership again after it is closed and reopened', async () => {
    await registry.record(entry({ id: 's1', state: { plan: 'pro', seats: 3, trial: false } }))
    await registry.useSession(USE)
    await registry.claimOwnership(ownership({ id: 't1' }))
    await registry.close()
    registry = plain(createSqliteRegistry({ path }))
    expect((await registry.getSession('s1'))?.state).toEqual({
      plan: 'pro',
      seats: 3,
      trial: false,
    })
    expect((await registry.useSession(USE)).kind).toBe('limited')
    expect(await registry.claimOwnership(ownership({ id: 't1', user: 'bob' }))).toBe('taken')
  })

  it('counts no use of a session that the sweep deleted', async () => {
    await registry.record(entry({ id: 's1' }))
    await registry.useSession(USE)
    const db = new DatabaseSync(path)
    const uses = () => db.prepare('SELECT id FROM session_uses').all()
    expect(uses()).toEqual([{ id: 's1' }])
    await registry.sweep(retention(NOW + 601, NOW + 601))
    expect(uses()).toEqual([])
    db.close()
  })

  it('refuses a damaged state', async () => {
    await registry.record(entry({ id: 's1' }))
    const db = new DatabaseSync(path)
    for (const state of ['{', '[]', '{"a":null}', '{"a":{}}']) {
      db.prepare('UPDATE sessions SET state = ?').run(state)
      const refused = { code: 'store_unavailable' }
      await expect(registry.getSession('s1')).rejects.toMatchObject(refused)
      await expect(registry.useSession(USE)).rejects.toMatchObject(refused)
    }
    db.close()
  })

  it.each([
    [{}, 1],
    [{ source: 'support' }, 2],
    [{ user: 'alice' }, 2],
    [{ source: 'support', user: 'alice' }, 3],
  ])(
    'reads a list of %j from an index of exactly these fields, in the order of creation',
    (of, fields) => {
      const db = new DatabaseSync(path)
      const page = { kind: 'thread', limit: 5, order: 'desc' } as const
      const span = { above: 0, below: 9, direction: 'desc', flipped: false } as const
      const text = listText(ownedRows({ ...page, ...of }), span)
      const plan = db.prepare(`EXPLAIN QUERY PLAN ${text}`).all()
      expect(plan.map((row) => row['detail'])).toEqual([
        expect.stringMatching(/^SEARCH owned USING INDEX \w+ \(.* AND rowid>\? AND rowid<\?\)$/),
      ])
      expect(String(plan[0]?.['detail']).match(/\w=\?/g)).toHaveLength(fields)
      db.close()
    },
  )
})

describe('several processes on one SQLite file', () => {
  const children: ChildProcess[] = []
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })

  /** Resolves when the process is ready and waits for the signal to begin. */
  async function start(user: string, of: { max: number; count: number }) {
    const numbers = ['--max', String(of.max), '--count', String(of.count)]
    const args = [PROCESS, '--path', path, '--user', user, ...numbers]
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    children.push(child)
    const printed: string[] = []
    const lines = createInterface({ input: child.stdout }).on('line', (line) => printed.push(line))
    await once(lines, 'line')
    return { child, printed }
  }

  it('let through exactly as many uses as the limit allows, and claim each thread once', async () => {
    await registry.record(entry({ id: 's1' }))
    const of = { max: 400, count: 250 }
    const users = await Promise.all(['p', 'q', 'r'].map((user) => start(user, of)))
    for (const { child } of users) child.stdin?.write('go\n')
    const codes = await Promise.all(users.map(({ child }) => once(child, 'close')))
    expect(codes.map(([code]) => code)).toEqual([0, 0, 0])
    const printed = users.flatMap((one) => one.printed).filter((line) => line !== 'ready')
    expect(printed.filter((line) => line === 'ok')).toHaveLength(400)
    const claimed = printed.filter((line) => line !== 'ok')
    expect(claimed).toHaveLength(250)
    expect(new Set(claimed).size).toBe(250)
  })
})
