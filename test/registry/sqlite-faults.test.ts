import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ServiceError } from '../../src/lib/errors.ts'
import { entry, order, pageIds, query, standingQuery } from '../contracts/registry-fixtures.ts'
import { sqliteFile } from '../support/registry/sqlite-file.ts'

const WRITER = fileURLToPath(new URL('../support/registry/registry-writer.ts', import.meta.url))

const file = sqliteFile()
const { open, foreign } = file
let children: ChildProcess[]

beforeEach(() => {
  children = []
})
afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
})

describe('a SQLite store that fails', () => {
  it('refuses writes when it is full, leaves nothing half done, and still reads', async () => {
    const registry = open({ maxPageCount: 52 })
    let recorded = 0
    let refusal: unknown
    while (refusal === undefined && recorded < 2_000) {
      try {
        await registry.record(
          entry({ id: `s${recorded}` }, { cap: { max: 5_000, whenFull: 'deny' } }),
        )
        recorded++
      } catch (error) {
        refusal = error
      }
    }
    expect(refusal).toMatchObject({
      code: 'store_unavailable',
      reason: expect.stringMatching(/no space is left/),
    })
    expect(await registry.getSession(`s${recorded}`)).toBeUndefined()
    expect((await registry.readStanding(standingQuery())).liveSessions).toBe(recorded)
    const { generation } = await registry.readStanding(standingQuery())
    await expect(registry.revoke(order({ endReason: 'signed_out' }))).rejects.toMatchObject({
      code: 'store_unavailable',
    })
    expect((await registry.readStanding(standingQuery())).generation).toBe(generation)
    expect((await registry.readStanding(standingQuery())).liveSessions).toBe(recorded)
  })

  it('says nothing of a record that it cannot read but that it cannot', async () => {
    const registry = open()
    await registry.record(entry({ id: 's1', state: { plan: 'pro' } }))
    foreign().exec(`UPDATE sessions SET state = 'alice-4711'`)
    const error = await registry.getSession('s1').catch((thrown: ServiceError) => thrown)
    expect(error).toMatchObject({ code: 'store_unavailable' })
    expect(inspect(error)).not.toContain('4711')
  })

  it('waits a little for a lock of another process, without blocking, then refuses', async () => {
    const registry = open()
    const other = foreign()
    other.exec('BEGIN IMMEDIATE')
    let ticks = 0
    const timer = setInterval(() => {
      ticks++
    }, 5)
    const writes = Array.from({ length: 40 }, (_, at) => registry.record(entry({ id: `s${at}` })))
    const results = await Promise.allSettled(writes)
    clearInterval(timer)
    for (const result of results) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { code: 'store_unavailable', reason: expect.stringMatching(/another process/) },
      })
    }
    // Writes that block the event loop leave none; a busy machine may leave few.
    expect(ticks).toBeGreaterThan(0)
    await expect(registry.check()).rejects.toMatchObject({ code: 'store_unavailable' })
    expect((await registry.readStanding(standingQuery())).liveSessions).toBe(0)
    other.exec('ROLLBACK')
    other.close()
    expect(await registry.record(entry({ id: 's0' }))).toMatchObject({ kind: 'recorded' })
  })

  it('writes when the lock is released in time', async () => {
    const registry = open()
    const other = foreign()
    other.exec('BEGIN IMMEDIATE')
    const write = registry.record(entry({ id: 's1' }))
    // The first attempt is in the turn after the call.
    setImmediate(() => setImmediate(() => other.exec('COMMIT')))
    expect(await write).toMatchObject({ kind: 'recorded' })
    other.close()
  })

  it('refuses damaged rows', async () => {
    const registry = open()
    await registry.record(entry({ id: 's1' }))
    const other = foreign()
    other.exec('PRAGMA ignore_check_constraints = ON')
    other.exec("UPDATE sessions SET status = 'nonsense'")
    await expect(registry.getSession('s1')).rejects.toMatchObject({ code: 'store_unavailable' })
    await expect(registry.listSessions(query())).rejects.toMatchObject({
      code: 'store_unavailable',
    })
    other.close()
  })

  it.each([
    ['the file is deleted', () => rmSync(file.path)],
    ['the log is deleted', () => rmSync(`${file.path}-wal`)],
    ['the index of the log is deleted', () => rmSync(`${file.path}-shm`)],
    [
      'another file takes its place',
      () => {
        writeFileSync(`${file.path}-new`, '')
        renameSync(`${file.path}-new`, file.path)
      },
    ],
  ])('refuses writes, and readiness, when %s', async (_, harm) => {
    const registry = open()
    await registry.record(entry({ id: 's1' }))
    harm()
    const refusal = { code: 'store_unavailable', reason: expect.stringContaining('restart') }
    await expect.poll(() => registry.check().catch((error) => error)).toMatchObject(refusal)
    await expect(registry.revoke(order())).rejects.toMatchObject(refusal)
    const together = ['s2', 's3'].map((id) => registry.record(entry({ id })))
    for (const write of together) await expect(write).rejects.toMatchObject(refusal)
  })

  it('refuses every call when it is closed', async () => {
    const registry = open()
    await registry.close()
    await registry.close()
    await expect(registry.readStanding(standingQuery())).rejects.toMatchObject({
      code: 'store_unavailable',
    })
  })
})

describe('several processes on one SQLite file', () => {
  const writer = (name: string, count: number, errors: 'inherit' | 'ignore' = 'inherit') => {
    const args = [WRITER, '--path', file.path, '--name', name, '--count', String(count)]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', errors] })
    children.push(child)
    const printed: string[] = []
    createInterface({ input: child.stdout }).on('line', (line) => printed.push(line))
    return { child, printed }
  }

  it('create it at the same time, and lose no write that they confirmed', async () => {
    const writers = ['p', 'q', 'r'].map((name) => writer(name, 60))
    const codes = await Promise.all(writers.map(({ child }) => once(child, 'close')))
    expect(codes.map(([code]) => code)).toEqual([0, 0, 0])
    const answered = writers.flatMap(({ printed }) => printed)
    expect(answered.length).toBeGreaterThan(0)
    const page = await open().listSessions(query({ limit: 1_000 }))
    expect([...pageIds(page)].sort()).toEqual(answered.sort())
  })

  it('start while another program holds the lock: wait some seconds, then end', async () => {
    await open().record(entry({ id: 's1' }))
    const other = foreign()
    other.exec('BEGIN IMMEDIATE')
    const { child, printed } = writer('late', 1, 'ignore')
    expect(await once(child, 'close')).toEqual([1, null])
    expect(printed).toEqual([])
    other.close()
  }, 30_000)

  it('killed while writing, lose no write that they confirmed', async () => {
    const { child, printed } = writer('k', 0)
    while (printed.length < 50) await new Promise((resolve) => setTimeout(resolve, 5))
    child.kill('SIGKILL')
    await once(child, 'close')
    expect(existsSync(`${file.path}-wal`)).toBe(true)
    const registry = open()
    const found = new Set(pageIds(await registry.listSessions(query({ limit: 20_000 }))))
    for (const id of printed) expect(found.has(id)).toBe(true)
    expect(found.size - printed.length).toBeLessThanOrEqual(1)
    expect((await registry.revoke(order({ user: 'shared' }))).cancelling).toHaveLength(found.size)
  })
})
