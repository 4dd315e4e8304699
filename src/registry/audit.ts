// Writes the audit, the record of who did what to whom: to the registry for admins, and as log lines.
import { type Clock, unixSeconds } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import type { Log } from '../lib/log.ts'
import type { Registry } from './port.ts'
import type { AuditEntry } from './records.ts'

/** Kinds of audit entries; the `action` filter of the admin endpoint takes these. */
export type AuditAction =
  | 'mint'
  | 'sign_out'
  | 'cancel'
  | 'revoke'
  | 'unblock'
  | 'logout'
  | 'delete_thread'
  | 'export'
  | 'erase'
  | 'admin_read'
  | 'admin_attempt'
  | 'admin_sign_in'
  | 'introspection_attempt'
  | 'backend_attempt'

/** Something that was done or refused. */
export interface AuditEvent {
  /** `issuer|subject`; `address:…` for one who is not known. */
  readonly actor: string
  readonly action: AuditAction
  /** The ChatKit user it was done to. */
  readonly user?: string | undefined
  readonly outcome: AuditEntry['outcome']
  readonly reason?: string | undefined
  readonly requestId: string
}

/** Writes entries of the audit. */
export interface Audit {
  /** For actions of admins and identity providers. Resolves when the entry is durable; also a log line. */
  write(event: AuditEvent): Promise<void>
  /**
   * For the actions of users: entries are written together, within 100 ms. When a caller repeats an
   * action with the same outcome and reason, only {@link MOST_REPEATS} entries a minute are written, and
   * one of failed guesses, so that nobody can fill the store with refused requests.
   */
  note(event: AuditEvent): void
  /** Writes the waiting entries. Resolves when the writes under way have ended too; never throws. */
  flush(): Promise<void>
}

export interface AuditOptions {
  readonly registry: Pick<Registry, 'appendAudit'>
  readonly hashUser: (user: string) => string | undefined
  readonly now: Clock
  readonly log: Log
}

/** Most entries that wait while the store is down. Older ones are then in the log only. */
const MOST_WAITING = 10_000
const WITHIN_MS = 100
const AGAIN_AFTER_MS = 1000

/**
 * Most entries per minute for one action of one caller with the same outcome and reason. A mint that
 * succeeds is not counted here: it has its own limit.
 */
const MOST_REPEATS = 60
/** Actions of callers who are known by their address alone: one entry a minute. */
const GUESSES: ReadonlySet<AuditAction> = new Set(['introspection_attempt', 'backend_attempt'])
const REPEATS_MS = 60_000
const MOST_CALLERS = 10_000

export function createAudit({ registry, hashUser, now, log }: AuditOptions): Audit {
  let waiting: AuditEntry[] = []
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()
  let failing = false
  const isRepeated = createRepeats(now)

  function entryOf({ actor, action, user, outcome, reason, requestId }: AuditEvent): AuditEntry {
    const at = unixSeconds(now)
    return { id: newId('aud_'), at, actor, action, user, outcome, reason, requestId }
  }

  function logLine({ actor, action, user, outcome, reason, requestId }: AuditEvent): void {
    const hashed = user === undefined ? undefined : hashUser(user)
    const who = { actor: hashUser(actor), user: hashed }
    log.info({ action, outcome, reason, ...who, request_id: requestId }, 'audit')
  }

  async function writeWaiting(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const entries = waiting
    waiting = []
    if (entries.length === 0) return
    try {
      await registry.appendAudit(entries)
      failing = false
    } catch (error) {
      // Logged once per outage: the log line of each refused request shows the state of the store too.
      if (!failing) log.error({ err: error }, 'audit entries wait for the store')
      failing = true
      waiting = [...entries, ...waiting].slice(-MOST_WAITING)
      schedule(AGAIN_AFTER_MS)
    }
  }

  function flush(): Promise<void> {
    writing = writing.then(writeWaiting)
    return writing
  }

  function schedule(afterMs: number): void {
    timer ??= setTimeout(() => void flush(), afterMs).unref()
  }

  return {
    async write(event) {
      logLine(event)
      await registry.appendAudit([entryOf(event)])
    },
    note(event) {
      if (isRepeated(event)) return
      // A mint's line in the access log already says the same.
      if (event.action !== 'mint') logLine(event)
      waiting.push(entryOf(event))
      if (waiting.length > MOST_WAITING) waiting.shift()
      schedule(WITHIN_MS)
    },
    flush,
  }
}

/**
 * Makes the check whether a caller has done the same more than {@link MOST_REPEATS} times in a minute.
 */
function createRepeats(now: Clock): (event: AuditEvent) => boolean {
  const windows = new Map<string, { count: number; readonly endsMs: number }>()
  return ({ actor, action, outcome, reason }) => {
    if (action === 'mint' && outcome === 'ok') return false
    const key = JSON.stringify([actor, action, outcome, reason])
    let window = windows.get(key)
    if (window === undefined || window.endsMs <= now()) {
      if (windows.size >= MOST_CALLERS) windows.clear()
      window = { count: 0, endsMs: now() + REPEATS_MS }
      windows.set(key, window)
    }
    window.count += 1
    return window.count > (GUESSES.has(action) ? 1 : MOST_REPEATS)
  }
}
