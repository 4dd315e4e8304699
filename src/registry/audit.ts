// Writes the audit: who did what to whom, in the registry for admins and as log lines.
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

/** An act, done or refused. */
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

/** Writes entries of the audit. */
export interface Audit {
  /** Resolves when the entry is durable; also a log line. For what admins and providers do. */
  write(event: AuditEvent): Promise<void>
  /**
   * Written with others within a moment, for what users do. What one caller repeats over and over is
   * written {@link MOST_REPEATS} times a minute: nobody may fill the store by being refused.
   */
  note(event: AuditEvent): void
  /** Writes what waits; resolves when the writes under way have ended too. Never throws. */
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
const AGAIN_AFTER_MS = 1000

/** The same action with the same outcome of one caller; a mint that succeeds has its own limit. */
const MOST_REPEATS = 60
const REPEATS_MS = 60_000
const MOST_CALLERS = 10_000

/**
 * @param options - store, log, time
 */
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
      // Once per outage; the store's own state is in every refused request's line.
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
      // A mint's line in the access log says the same.
      if (event.action !== 'mint') logLine(event)
      waiting.push(entryOf(event))
      if (waiting.length > MOST_WAITING) waiting.shift()
      schedule(WITHIN_MS)
    },
    flush,
  }
}

/** Tells what a caller has done {@link MOST_REPEATS} times within the minute. */
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
    return window.count > MOST_REPEATS
  }
}
