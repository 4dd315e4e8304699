import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { startService } from '../../support/running-service.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'

test('two services over one store add up what they counted, also when they end before the minute', async () => {
  const path = join(scratchFolder(), 'store.db')
  const env = { STORE_URL: `sqlite:${path}` }
  const began = Math.floor(Date.now() / 1000)
  for (const tokens of [[undefined, 'broken'], [undefined]]) {
    const running = await startService({ env })
    for (const token of tokens) await running.mint(token)
    await running.close()
  }
  const registry = createSqliteRegistry({ path })
  onTestFinished(() => registry.close())
  const from = began - (began % 300)
  const found = await registry.readFigures({ seconds: 300, from, until: from + 600 })
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
  expect(sum(found.map(({ mints }) => mints))).toBe(2)
  expect(sum(found.map(({ refusals }) => refusals['invalid_token'] ?? 0))).toBe(1)
  expect(sum(found.flatMap(({ upstream }) => upstream.map(({ count }) => count)))).toBe(2)
  expect(found.at(-1)?.activeSessions).toBe(2)
  // The instances have the same names as in the audit.
  const entries = await registry.listAudit({ action: 'mint', limit: 9 })
  const names = new Set(entries?.data.map(({ chain }) => chain?.instance))
  expect(names.size).toBe(2)
  expect(new Set(found.flatMap(({ instances }) => instances))).toEqual(names)
})
