import { expect, test } from 'vitest'
import { createAddresses } from '../../../src/console/addresses.ts'
import { sessionTable } from '../../../src/console/view/session-table.ts'
import { NOW, session } from '../../contracts/registry-fixtures.ts'

type Changes = Omit<Parameters<typeof session>[0], 'id'>

/** Cells of the row of one session: status, begin, end; and whether it can be cancelled. */
function rowOf(changes: Changes) {
  const addresses = createAddresses('https://chat.example.com')
  const parts = { addresses, caption: 'Sessions', empty: '', now: NOW, users: false }
  const record = session({ id: 'cksess_1', createdAt: NOW - 120, ...changes })
  const html = String(sessionTable([record], parts))
  const cells = Array.from(
    html.matchAll(/data-label="(\w+)">(.*?)<\/td>/gs),
    ([, name, cell = '']) => [name, cell.replace(/<span>.*?<\/span>|<[^>]*>/g, '').trim()],
  )
  const { Status, Began, Ends } = Object.fromEntries(cells)
  return { Status, Began, Ends, mayEnd: html.includes('/cancel"') }
}

const ended = {
  endReason: 'cancelled',
  endedAt: NOW - 60,
  endedBy: 'https://idp.example/|ada',
} as const

test.each<[string, Changes, string, string, boolean]>([
  ['live', { expiresAt: NOW + 600 }, 'active', 'in 10 min', true],
  ['at its end', { expiresAt: NOW }, 'expired', 'now', false],
  [
    'cancelling',
    { status: 'cancelling', ...ended },
    'cancelling by ada, not confirmed yet',
    '1 min ago',
    false,
  ],
  [
    'cancelled',
    { status: 'cancelled', ...ended, confirmedAt: NOW - 59 },
    'cancelled by ada, confirmed 59 s ago',
    '1 min ago',
    false,
  ],
  [
    'cancelled by the service, and never confirmed',
    { status: 'cancelled', endReason: 'evicted', endedAt: NOW - 60 },
    'cancelled not confirmed',
    '1 min ago',
    false,
  ],
  [
    'replaced',
    { status: 'replaced', endReason: 'replaced', endedAt: NOW - 1 },
    'replaced',
    '1 s ago',
    false,
  ],
])('a session that is %s shows its state and its end', (_name, changes, Status, Ends, mayEnd) => {
  expect(rowOf(changes)).toEqual({ Status, Began: '2 min ago', Ends, mayEnd })
})
