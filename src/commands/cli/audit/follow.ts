// `audit list --follow`: polls the newest entries, and prints those that are new.

import { setTimeout } from 'node:timers/promises'
import { z } from 'zod'
import { printable } from '../../../lib/printable.ts'
import type { Io } from '../io.ts'
import { print, printLine, time } from '../output.ts'
import type { ListFlags, PageSeen } from '../pages.ts'
import type { TargetFlags } from '../target/target.ts'

/** Milliseconds between two polls. Each poll is an admin's read, which adds an entry to the audit. */
const EVERY_MS = 2000
const MOST_AT_A_TIME = 100
const MOST_PAGES = 20
/** Seconds that a poll reaches back behind the newest entry, because instances do not write in order of time. */
const LATE_SECONDS = 60
/** Most of its own reads that are remembered: where a filter leaves their entries out, none of them ever comes. */
const MOST_OWN = 1000

/** Fields of an entry that are shown. */
export const shownEntry = z.looseObject({
  id: z.string(),
  at: z.number(),
  actor: z.string().nullable(),
  action: z.string(),
  user: z.string().nullable(),
  outcome: z.string(),
  reason: z.string().nullable(),
  request_id: z.string().nullable(),
})
type Entry = z.infer<typeof shownEntry>

type FollowFlags = Pick<ListFlags & TargetFlags, 'limit' | 'json'> & { readonly since?: number }

/** Reads a page; `since` narrows it further. */
type ReadPage = (
  list: { readonly limit: number; readonly after?: string | undefined; readonly since?: number },
  request?: { readonly onRequestId: (id: string) => void },
) => Promise<PageSeen<Entry>>

/**
 * Prints the newest entries, oldest first, and then each new one. Entries about its own polls are left out. It
 * returns normally when it is interrupted.
 */
export async function follow(
  io: Io,
  pageOf: ReadPage,
  { limit = 20, since = 0, json }: FollowFlags,
): Promise<void> {
  const own = new Set<string>()
  const onRequestId = (id: string) => {
    own.add(id)
    const [oldest = id] = own
    if (own.size > MOST_OWN) own.delete(oldest)
  }
  const readPage: ReadPage = (list) => pageOf(list, { onRequestId })
  const first = await readPage({ limit })
  let known = new Map(first.data.map(({ id, at }) => [id, at]))
  let from = Math.max(since, (first.data[0]?.at ?? Math.floor(io.now() / 1000)) - LATE_SECONDS)
  await printAll(first.data)
  try {
    for (;;) {
      await setTimeout(EVERY_MS, undefined, { signal: io.signal })
      const fresh = await newEntries(readPage, { known, from })
      from = Math.max(from, ...fresh.map(({ at }) => at - LATE_SECONDS))
      // Entries before `from` are not read again, so their ids need not be kept.
      known = new Map(
        [...known, ...fresh.map(({ id, at }) => [id, at] as const)].filter(([, at]) => at >= from),
      )
      await printAll(fresh)
    }
  } catch (error) {
    if (!io.signal.aborted) throw error
  }

  async function printAll(newestFirst: readonly Entry[]): Promise<void> {
    for (const entry of newestFirst.toReversed()) {
      if (entry.request_id !== null && own.delete(entry.request_id)) continue
      await (json ? printLine(io, JSON.stringify(entry)) : print(io, lineOf(entry)))
    }
  }
}

/** Reads back from the newest entry to the first known one, because the list is in the order of writing. */
async function newEntries(
  readPage: ReadPage,
  { known, from }: { readonly known: ReadonlyMap<string, number>; readonly from: number },
): Promise<readonly Entry[]> {
  const found: Entry[] = []
  let after: string | undefined
  for (let pages = 0; pages < MOST_PAGES; pages++) {
    const page = await readPage({ limit: MOST_AT_A_TIME, since: from, after })
    const end = page.data.findIndex(({ id }) => known.has(id))
    found.push(...(end < 0 ? page.data : page.data.slice(0, end)))
    if (end >= 0 || !page.has_more || page.last_id === null) break
    after = page.last_id
  }
  return found
}

function lineOf({ at, action, outcome, actor, user, reason }: Entry): string {
  const cells = [time(at), action, outcome, actor ?? '–', user ?? '–', reason ?? '–']
  return cells.map(printable).join('  ')
}
