import { expect, test } from 'vitest'
import { type ExportParts, exportUser } from '../../src/administer/export.ts'
import type { ChatKit } from '../../src/chatkit/port.ts'
import type { Thread } from '../../src/chatkit/wire/thread.ts'
import type { ListQuery } from '../../src/chatkit/wire/wire.ts'
import { parseWorkflowName } from '../../src/lib/ids.ts'
import { NOW } from '../contracts/registry-fixtures.ts'

const thread = (id: string): Thread => ({
  ...{ id, object: 'chatkit.thread', created_at: NOW, title: null, user: 'alice' },
  status: { type: 'active' },
})

/** The number of the entry after the query's cursor. */
const after = (query: ListQuery) => Number(query.after?.split('_')[1] ?? 0) + 1

const pageOf = <T extends { readonly id: string }>(data: readonly T[], hasMore: boolean) => ({
  ...{ object: 'list' as const, data: [...data], has_more: hasMore },
  ...{ first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null },
})

/** Invents one more entry at each request in the list that `endless` names; other lists have one entry. */
function inventing(endless: 'threads' | 'items'): Pick<ChatKit, 'listThreads' | 'listThreadItems'> {
  return {
    async listThreads(query) {
      return pageOf([thread(`thr_${after(query)}`)], endless === 'threads')
    },
    async listThreadItems(id, query) {
      const item = { id: `msg_${after(query)}`, object: 'chatkit.thread_item', created_at: NOW }
      return pageOf([{ ...item, thread_id: id, type: 'new' }], endless === 'items')
    },
  } as Pick<ChatKit, 'listThreads' | 'listThreadItems'>
}

async function summaryOf(endless: 'threads' | 'items') {
  const name = parseWorkflowName('support')
  if (name === undefined) throw new Error('no name')
  const parts: ExportParts = {
    registry: {
      listSessions: async () => ({ data: [], hasMore: false }),
      listAudit: async () => ({ data: [], hasMore: false }),
      listOwned: async () => ({ data: [], hasMore: false }),
    },
    sources: [
      { name, workflows: [name], chatkit: inventing(endless) as ChatKit, threadsAt: undefined },
    ],
    onForeign: () => undefined,
    now: () => NOW * 1000,
  }
  let last: unknown
  for await (const lines of exportUser(parts, 'alice')) last = lines.at(-1)
  return last
}

test.each(['threads', 'items'] as const)(
  'an export from an upstream that invents %s without end comes to its summary, which is not complete',
  async (endless) => {
    expect(await summaryOf(endless)).toMatchObject({
      type: 'summary',
      complete: false,
      failed: 1,
      failures: [{ what: endless, workflow: 'support', code: 'upstream_invalid_response' }],
    })
  },
  60_000,
)
