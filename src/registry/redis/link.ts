// One guarded connection to Redis: connects again by itself, gives each call a deadline, runs scripts.
import { ServiceError } from '../../lib/errors.ts'
import type { Log } from '../../lib/log.ts'
import type { RedisConnection, Script } from './client.ts'

/** The way to Redis, which is up or says at once that it is not. */
export interface Link {
  /**
   * Runs one script within {@link CALL_MS}, and reads its reply.
   *
   * @param args - its ARGV; KEYS[1] is the hash tag
   * @param read - makes a record of the reply, and throws when it is none
   * @throws `ServiceError` `store_unavailable` for whatever goes wrong
   */
  run<T>(script: Script, args: readonly Arg[], read: (reply: unknown) => T): Promise<T>
  close(): void
}

type Arg = string | number

/** How a new connection is made, and asked what it leads to. */
interface Connecting {
  readonly connect: (onError: (error: Error) => void) => RedisConnection
  readonly onReady: (connection: RedisConnection) => Promise<void>
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
    run: (script, args, read) =>
      new Promise((resolve, reject) => {
        const connection = keeper.current()
        if (connection === undefined) throw unavailable('not connected to Redis')
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
        runScript(connection, script, args)
          .then(read)
          .then((value) => {
            over = true
            stopWaiting()
            resolve(value)
          }, fail)
      }),
    close: keeper.close,
  }
}

/** Has the one connection that is in use. */
interface Keeper {
  /** Undefined while there is none that answers. */
  current(): RedisConnection | undefined
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

  function open(): RedisConnection {
    state.openedAt = performance.now()
    const connection = connect((error) => log.debug({ err: error }, 'redis connection'))
    // A failed attempt shows as a connection that is never ready, and is given up for that.
    connection
      .connect()
      .then(() => onReady(connection))
      .catch((error: unknown) => log.debug({ err: error }, 'redis connection'))
    return connection
  }

  function giveUp(): void {
    if (state.closed || performance.now() - state.openedAt < GIVE_UP_MS) return
    const old = current
    current = open()
    state.badSince = 0
    old.destroy()
  }

  async function watch(): Promise<void> {
    if (state.probing) return
    const connection = current
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
    current: () => (state.closed || state.suspect || !current.isReady() ? undefined : current),
    suspectNow() {
      if (!state.suspect && !state.closed) log.warn('redis does not answer in time')
      state.suspect = true
    },
    giveUp,
    close() {
      state.closed = true
      clearInterval(timer)
      current.destroy()
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

/** All keys begin with it, so that they share a slot; scripts make them from it. */
const HASH_TAG = '{ckm}'

async function runScript(
  connection: RedisConnection,
  script: Script,
  args: readonly Arg[],
): Promise<unknown> {
  const command = ['EVALSHA', script.sha, '1', HASH_TAG]
  for (const arg of args) command.push(String(arg))
  try {
    return await connection.send(HASH_TAG, command)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return connection.send(HASH_TAG, ['EVAL', script.text, ...command.slice(2)])
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
