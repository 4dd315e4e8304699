// One guarded connection to Redis: connects again by itself, gives each call a deadline, runs scripts.
import { ServiceError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { RedisConnection, Script } from './client.ts'

/** The commands of one call; refused once its time is over. */
export interface Commands {
  /** Whether the keys of a script may lie in several slots: not in a cluster. */
  readonly acrossSlots: boolean
  /** @param key - any key of the command */
  send(key: string, ...args: readonly string[]): Promise<unknown>
  run(script: Script, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>
}

/** The way to Redis, which is up or says at once that it is not. */
export interface Link {
  /**
   * Runs commands that have {@link CALL_MS} together.
   *
   * @throws `ServiceError` `store_unavailable` for whatever goes wrong
   */
  call<T>(work: (redis: Commands) => Promise<T>): Promise<T>
  close(): void
}

/** How a new connection is made, and asked what it leads to. */
interface Connecting {
  readonly connect: (onError: (error: Error) => void) => RedisConnection
  readonly onReady: (redis: Commands) => Promise<Pick<Commands, 'acrossSlots'>>
  readonly log: Log
}

/** Together with what surrounds it, a refusal comes within 300 ms. */
const CALL_MS = 250
/** A timer that fires so much later than it should found the process busy. */
const LATE_MS = 20
const AGAIN_MS = 20
const WATCH_MS = 100
/** A connection that has not answered for this long is given up, and a new one lives as long. */
const GIVE_UP_MS = 1_000

/**
 * Runs calls on a connection that a {@link Keeper} keeps.
 *
 * @param callMs - how long one call may take, in milliseconds
 */
export function createLink({
  connect,
  onReady,
  log,
  callMs = CALL_MS,
}: Connecting & { readonly callMs?: number | undefined }): Link {
  const keeper = createKeeper({ connect, onReady, log })
  return {
    call: (work) =>
      new Promise((resolve, reject) => {
        const opened = keeper.current()
        if (opened === undefined) throw unavailable('not connected to Redis')
        let over = false
        const stopWaiting = startPatience(callMs, () => {
          if (over) return
          keeper.suspectNow()
          fail(unavailable(`no answer from Redis within ${callMs} ms`))
        })
        const fail = (error: unknown) => {
          if (over) return
          over = true
          stopWaiting()
          if (leadsElsewhere(error)) keeper.giveUp()
          reject(asServiceError(error))
        }
        try {
          work(commandsOn(opened, () => over)).then((value) => {
            over = true
            stopWaiting()
            resolve(value)
          }, fail)
        } catch (error) {
          fail(error)
        }
      }),
    close: keeper.close,
  }
}

/** A connection, and what it leads to. */
interface Opened {
  readonly connection: RedisConnection
  acrossSlots: boolean
}

/** Has the one connection that is in use. */
interface Keeper {
  /** Undefined while there is none that answers. */
  current(): Opened | undefined
  /** A call was not answered in time. */
  suspectNow(): void
  /** Takes a new connection. */
  giveUp(): void
  close(): void
}

/**
 * A server that hangs leaves its socket open, so the client alone would wait for ever, and every
 * request with it: after one call that was not answered in time all others are refused at once,
 * until a probe is answered; when none is, a new connection takes over.
 */
function createKeeper({ connect, onReady, log }: Connecting): Keeper {
  const state = { suspect: false, probing: false, closed: false, badSince: 0, openedAt: 0 }
  let current = open()

  function open(): Opened {
    state.openedAt = performance.now()
    const connection = connect((error) => log.debug({ err: error }, 'redis connection'))
    const opened: Opened = { connection, acrossSlots: false }
    // A failed attempt shows as a connection that is never ready, and is given up for that.
    connection
      .connect()
      .then(() => onReady(commandsOn(opened, () => false)))
      .then(({ acrossSlots }) => {
        opened.acrossSlots = acrossSlots
      })
      .catch((error: unknown) => log.debug({ err: error }, 'redis connection'))
    return opened
  }

  function giveUp(): void {
    if (state.closed || performance.now() - state.openedAt < GIVE_UP_MS) return
    const old = current
    current = open()
    state.badSince = 0
    old.connection.destroy()
  }

  async function watch(): Promise<void> {
    if (state.probing) return
    const { connection } = current
    const ready = connection.isReady()
    if (ready && !state.suspect) {
      state.badSince = 0
      return
    }
    state.badSince ||= performance.now()
    state.probing = true
    const answered = ready && (await answersPing(connection))
    state.probing = false
    if (answered) {
      if (state.suspect) log.info('redis answers again')
      state.suspect = false
    } else if (performance.now() - state.badSince > GIVE_UP_MS) {
      giveUp()
    }
  }

  const timer = setInterval(() => void watch(), WATCH_MS).unref()
  return {
    current: () =>
      state.closed || state.suspect || !current.connection.isReady() ? undefined : current,
    suspectNow() {
      if (!state.suspect && !state.closed) log.warn('redis does not answer in time')
      state.suspect = true
    },
    giveUp,
    close() {
      state.closed = true
      clearInterval(timer)
      current.connection.destroy()
    },
  }
}

/**
 * A primary that became a replica: the address may lead to the new primary by now. Or it led to one
 * node before and leads to one of a cluster now.
 */
function leadsElsewhere(error: unknown): boolean {
  return error instanceof Error && /^(READONLY|CROSSSLOT)/.test(error.message)
}

function answersPing(connection: RedisConnection): Promise<boolean> {
  return new Promise((resolve) => {
    const stopWaiting = startPatience(CALL_MS, () => resolve(false))
    const answered = (answer: boolean) => {
      stopWaiting()
      resolve(answer)
    }
    connection.ping().then(
      () => answered(true),
      () => answered(false),
    )
  })
}

/**
 * Calls back after so many milliseconds, unless it is stopped. When it was this process that was late,
 * a moment later: the answer is waiting to be read, or the command has only just been sent.
 *
 * @returns stops it
 */
function startPatience(milliseconds: number, onOver: () => void): () => void {
  const due = performance.now() + milliseconds
  let timer = setTimeout(() => {
    if (performance.now() - due < LATE_MS) setImmediate(onOver)
    else timer = setTimeout(() => setImmediate(onOver), AGAIN_MS)
  }, milliseconds)
  return () => clearTimeout(timer)
}

function commandsOn({ connection, acrossSlots }: Opened, isOver: () => boolean): Commands {
  function send(key: string, args: readonly string[]): Promise<unknown> {
    // A step that nobody waits for any more must not go on.
    if (isOver()) throw unavailable('out of time')
    return connection.send(key, args)
  }
  return {
    acrossSlots,
    send: async (key, ...args) => send(key, args),
    async run(script, keys, args) {
      const [first] = keys
      if (first === undefined) throw new TypeError('a script without keys')
      const command = ['EVALSHA', script.sha, String(keys.length)]
      for (const key of keys) command.push(key)
      for (const arg of args) command.push(String(arg))
      try {
        return await send(first, command)
      } catch (error) {
        if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
        return send(first, ['EVAL', script.text, ...command.slice(2)])
      }
    },
  }
}

function unavailable(reason: string, cause?: unknown): ServiceError {
  return new ServiceError('store_unavailable', { reason, cause })
}

function asServiceError(error: unknown): ServiceError {
  if (error instanceof ServiceError) return error
  const message = error instanceof Error ? error.message.slice(0, 200) : String(error)
  return unavailable(`Redis: ${message}`, error)
}
