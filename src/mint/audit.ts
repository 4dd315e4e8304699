import { type Clock, unixSeconds } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { AuditEntry, Registry } from '../registry/port.ts'

/** What the trail tells apart; the `action` filter of the admin endpoint takes these. */
export type AuditAction =
  | 'mint'
  | 'sign_out'
  | 'cancel'
  | 'revoke'
  | 'unblock'
  | 'logout'
  | 'admin_read'
  | 'admin_attempt'

/** Something that was done, or refused. */
export interface AuditEvent {
  /** `issuer|subject`. */
  readonly actor: string
  readonly action: AuditAction
  /** The ChatKit user it was done to. */
  readonly user?: string | undefined
  readonly outcome: AuditEntry['outcome']
  readonly reason?: string | undefined
  readonly requestId: string
}

/** The audit trail: in the registry for admins, and as log lines. */
export interface Audit {
  /** Resolves when the entry is durable; also a log line. For what admins and providers do. */
  write(event: AuditEvent): Promise<void>
  /**
   * Written with others within a moment. For what users do: there is much of it, and the request's
   * line in the access log already says the same.
   */
  note(event: AuditEvent): void
  /** Writes what waits. */
  flush(): Promise<void>
}

/** What {@link createAudit} needs. */
export interface AuditOptions {
  readonly registry: Pick<Registry, 'appendAudit'>
  readonly hashUser: (user: string) => string
  readonly now: Clock
  readonly log: Log
}

/** While the store is down this many entries wait; more than that go to the log alone. */
const MOST_WAITING = 10_000
const WITHIN_MS = 100

/**
 * @param options - store, log, time
 */
export function createAudit({ registry, hashUser, now, log }: AuditOptions): Audit {
  let waiting: AuditEntry[] = []
  let timer: NodeJS.Timeout | undefined

  function entryOf({ actor, action, user, outcome, reason, requestId }: AuditEvent): AuditEntry {
    const at = unixSeconds(now)
    return { id: newId('aud_'), at, actor, action, user, outcome, reason, requestId }
  }

  function logLine({ actor, action, user, outcome, reason, requestId }: AuditEvent): void {
    const hashed = user === undefined ? undefined : hashUser(user)
    const who = { actor: hashUser(actor), user: hashed }
    log.info({ action, outcome, reason, ...who, request_id: requestId }, 'audit')
  }

  async function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const entries = waiting
    waiting = []
    if (entries.length === 0) return
    try {
      await registry.appendAudit(entries)
    } catch (error) {
      log.error({ err: error, entries: entries.length }, 'audit entries wait for the store')
      waiting = [...entries, ...waiting].slice(-MOST_WAITING)
      schedule()
    }
  }

  function schedule(): void {
    timer ??= setTimeout(() => void flush(), WITHIN_MS).unref()
  }

  return {
    async write(event) {
      logLine(event)
      await registry.appendAudit([entryOf(event)])
    },
    note(event) {
      waiting.push(entryOf(event))
      if (waiting.length > MOST_WAITING) waiting.shift()
      schedule()
    },
    flush,
  }
}
