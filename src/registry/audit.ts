// Writes the audit, the record of who did what to whom: to the registry for admins, and as log lines.

import { type Clock, unixSeconds } from '../lib/clock.ts'
import type { Log } from '../lib/log.ts'
import type { AuditAction, AuditEntry } from './audit-entry.ts'
import { createAuditQueue, type NewAuditEntry, newEntryId } from './audit-queue.ts'
import type { Registry } from './port.ts'

/** An action that was done or refused. */
export interface AuditEvent {
  /** `issuer|subject`; `address:…` for a caller who is not authenticated. */
  readonly actor: string
  readonly action: AuditAction
  /** The ChatKit user that the action concerned. */
  readonly user?: string | undefined
  /** The actor is that user even if the two names differ, so an erase of the user removes the actor too. */
  readonly byUser?: boolean
  readonly outcome: AuditEntry['outcome']
  readonly reason?: string | undefined
  readonly requestId: string
}

/** Writes entries of the audit. */
export type Audit = ReturnType<typeof createAudit>

interface AuditOptions {
  readonly registry: Pick<Registry, 'appendAudit' | 'listAudit'>
  readonly hashUser: (user: string) => string | undefined
  readonly now: Clock
  readonly log: Log
}

/**
 * Most entries per minute for one action of one caller with the same outcome and reason. Successful mints are
 * not counted, because they have their own limit.
 */
const MOST_REPEATS = 60
/** Actions of callers who are known only by their address: one entry a minute. */
const GUESSES: ReadonlySet<AuditAction> = new Set(['introspection_attempt', 'backend_attempt'])
const REPEATS_MS = 60_000
const MOST_CALLERS = 10_000

export function createAudit({ registry, hashUser, now, log }: AuditOptions) {
  const { instance, note, write, flush } = createAuditQueue({ registry, now, log })
  const isRepeated = createRepeats(now)

  function entryOf(event: AuditEvent): NewAuditEntry {
    const { actor, action, user, outcome, reason, requestId, byUser = actor === user } = event
    const at = unixSeconds(now)
    return { id: newEntryId(now), at, actor, action, user, outcome, reason, requestId, byUser }
  }

  function logLine({ actor, action, user, outcome, reason, requestId }: AuditEvent): void {
    const hashed = user === undefined ? undefined : hashUser(user)
    const who = { actor: hashUser(actor), user: hashed }
    log.info({ action, outcome, reason, ...who, request_id: requestId }, 'audit')
  }

  return {
    /** `ins_…`, the name of this process in its entries. */
    instance,
    /**
     * For actions of admins and identity providers. Writes a log line too, and resolves when the entry is
     * durable. If the store fails, it throws, and the entry is still written once the store is back, because it
     * records the attempt.
     */
    async write(event: AuditEvent): Promise<void> {
      logLine(event)
      await write(entryOf(event))
    },
    /**
     * For actions of users: entries are written together, within 100 ms. When a caller repeats an action with the
     * same outcome and reason, only {@link MOST_REPEATS} entries a minute are written (one a minute for {@link
     * GUESSES}), so that nobody can fill the store with refused requests.
     */
    note(event: AuditEvent): void {
      if (isRepeated(event)) return
      // For a mint, the request's own log line already says the same.
      if (event.action !== 'mint') logLine(event)
      note(entryOf(event))
    },
    /** Writes the waiting entries, and resolves when the writes under way have ended too. Never throws. */
    flush,
  }
}

/**
 * Records an action that failed. It may have been done all the same: the store's answer can be lost, and with
 * `?replicas=N` a revoke holds on the primary.
 */
export async function auditedOnFailure<T>(
  audit: Pick<Audit, 'write'>,
  event: Omit<AuditEvent, 'outcome'>,
  work: Promise<T>,
): Promise<T> {
  try {
    return await work
  } catch (error) {
    await audit.write({ ...event, outcome: 'failed' })
    throw error
  }
}

/** Makes the function that says whether an event repeats an earlier one too often to be written again. */
function createRepeats(now: Clock): (event: AuditEvent) => boolean {
  const windows = new Map<string, { count: number; readonly endsMs: number }>()
  return ({ actor, action, outcome, reason }) => {
    if (action === 'mint' && outcome === 'ok') return false
    const key = JSON.stringify([actor, action, outcome, reason])
    let window = windows.get(key)
    const leftMs = (window?.endsMs ?? 0) - now()
    // More than a whole window is left when the clock was set back.
    if (window === undefined || leftMs <= 0 || leftMs > REPEATS_MS) {
      if (windows.size >= MOST_CALLERS) windows.clear()
      window = { count: 0, endsMs: now() + REPEATS_MS }
      windows.set(key, window)
    }
    window.count += 1
    return window.count > (GUESSES.has(action) ? 1 : MOST_REPEATS)
  }
}
