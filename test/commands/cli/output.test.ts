import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { printTable } from '../../../src/commands/cli/output.ts'

test.each([
  [0, 1],
  [1000, 1],
  [1001, 2],
  [200_000, 200],
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
