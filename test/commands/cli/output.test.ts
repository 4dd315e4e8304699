import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { printTable } from '../../../src/commands/cli/output.ts'

test.each([
  [0, 1],
  [1000, 1],
  [1001, 2],
  [20_000, 20],
])('%i rows are all printed, in %i tables with a head each', async (count, tables) => {
  const stdout = new PassThrough()
  const printed = text(stdout)
  const rows = Array.from({ length: count }, (_, at) => [`row-${at}.`])
  await printTable({ stdout }, ['name'], rows)
  stdout.end()
  const out = await printed
  expect(out.match(/row-\d+\./g) ?? []).toEqual(rows.flat())
  expect(out.match(/name/g)).toHaveLength(tables)
})

test('a pipe gets no escapes, with FORCE_COLOR either', async () => {
  vi.stubEnv('NO_COLOR', undefined)
  vi.stubEnv('FORCE_COLOR', '1')
  onTestFinished(() => void vi.unstubAllEnvs())
  const stdout = new PassThrough()
  const printed = text(stdout)
  await printTable({ stdout }, ['name'], [['row']])
  stdout.end()
  expect(await printed).not.toContain('\u001b')
})
