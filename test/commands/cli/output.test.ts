import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { stripVTControlCharacters } from 'node:util'
import widthOf from 'string-width'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
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

describe('on a terminal', () => {
  async function shown(columns: number, head: readonly string[], rows: readonly string[][]) {
    const stdout = Object.assign(new PassThrough(), { isTTY: true, columns })
    const printed = text(stdout)
    await printTable({ stdout }, head, rows)
    stdout.end()
    return stripVTControlCharacters(await printed)
  }

  test('a table of Chinese and Japanese text is no wider than the terminal, and shows both ends of each cell', async () => {
    const out = await shown(40, ['user', 'title'], [['始'.repeat(30), `話${'a'.repeat(30)}終`]])
    expect(out).toMatch(/始…始.*話a+…a+終/)
    for (const line of out.split('\n')) expect(widthOf(line)).toBeLessThanOrEqual(40)
  })

  test('a row is a list of whole values below an empty line where the columns do not fit side by side', async () => {
    const rows = [
      ['aud_0123456789', 'https://idp.example/|ada', 'GET /admin'],
      ['aud_1', 'x', 'y'],
    ]
    const head = ['id', 'actor', 'reason']
    expect(await shown(36, head, rows)).toBe(`
id      aud_0123456789
actor   https://idp.example/|ada
reason  GET /admin

id      aud_1
actor   x
reason  y
`)
    expect(await shown(37, head, rows)).toMatch(/│ aud_…6789 │ http…\|ada │ GET …dmin │/)
  })

  test('a list of sessions is a table on 80 columns, with the hour of each time', async () => {
    const head = ['id', 'user', 'workflow', 'status', 'created', 'expires']
    const id = 'cksess_8n2vQx0pTqYkQm3bZ1dW7f'
    const [created, expires] = ['2026-11-28T19:05:31Z', '2026-11-28T19:15:31Z']
    const row = [id, 'https://idp.example/|alice', 'support', 'cancelled', created, expires]
    expect(await shown(80, head, [row])).toMatch(
      /│ ckse.*W7f │ http.*ice │ support {2}│ cancelled │ 11-28T19:05Z │ 11-28T19:15Z │/,
    )
    expect(await shown(80, head, [row])).not.toMatch(/^.{81}/m)
  })

  test.each([
    [24, '2026-11-28T19:05:31Z'],
    [23, '2026-11-28T19:05Z'],
    [21, '2026-11-28T19:05Z'],
    [20, '11-28T19:05Z'],
  ])('a time in a table of %i columns is %s', async (columns, cell) => {
    expect(await shown(columns, ['at'], [['2026-11-28T19:05:31Z']])).toContain(`│ ${cell} │`)
  })

  test('short cells stay a table however narrow it is', async () => {
    expect(await shown(9, ['a', 'b'], [['c', 'd']])).toContain('│ c │ d │')
  })
})
