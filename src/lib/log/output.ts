// Makes the lines of the log, and writes them to standard output in batches, beside the event loop. A full disk or a
// reader that hangs costs lines, never the service: it goes on, and ends when it should.

import { write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { codeIn } from '../errors.ts'
import { CREDENTIAL, REDACTED } from '../secret.ts'
import type { LogFields } from './fields.ts'

const writeTo = promisify(write)

/** A batch is written at so many characters, or after so many milliseconds. A failed write is repeated after that time. */
const TOGETHER = 65_536
const WITHIN_MS = 20
/** Most characters that wait. Beyond it further lines are lost, but memory stays bounded. */
const MOST_WAITING = 16 * 1024 * 1024
/** How long the end of the process waits for a slow reader. */
const LAST_MS = 1000
const PAUSE_MS = 10

/** @param stream - its file descriptor is written to; not the stream, which would block the process */
export function createLogOutput({ fd }: { readonly fd: number } = process.stdout) {
  let waiting = ''
  let batch: Buffer = Buffer.alloc(0)
  let writing = false
  /** Runs only while something waits, so that it does not wake up an idle process. */
  let timer: NodeJS.Timeout | undefined

  async function push(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    if (writing) return
    writing = true
    try {
      while (batch.length + waiting.length > 0) {
        if (batch.length === 0) [batch, waiting] = [Buffer.from(waiting), '']
        const { bytesWritten } = await writeTo(fd, batch)
        batch = batch.subarray(bytesWritten)
        if (batch.length === 0 && waiting.length < TOGETHER) break
      }
    } catch (error) {
      // Nobody reads a broken pipe any more.
      if (error instanceof Error && codeIn(error) === 'EPIPE') batch = Buffer.alloc(0)
    }
    writing = false
    if (batch.length + waiting.length > 0) timer ??= setTimeout(push, WITHIN_MS).unref()
  }

  return {
    write(line: string): void {
      if (waiting.length < MOST_WAITING) waiting += line
      if (waiting.length >= TOGETHER) void push()
      else timer ??= setTimeout(push, WITHIN_MS).unref()
    },
    /** Writes what waits, as far as that is possible within a second. Never throws. */
    flushSync(): void {
      // The batch that is being written is not written again.
      if (writing) batch = Buffer.alloc(0)
      const end = performance.now() + LAST_MS
      while (batch.length + waiting.length > 0) {
        if (batch.length === 0) [batch, waiting] = [Buffer.from(waiting), '']
        try {
          batch = batch.subarray(writeSync(fd, batch))
        } catch (error) {
          const full = error instanceof Error && codeIn(error) === 'EAGAIN'
          if (!full || performance.now() >= end) return
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PAUSE_MS)
        }
      }
    },
  }
}

/**
 * A line of JSON without credentials. Takes the place of pino's function, which calls `JSON.stringify` for each name and
 * each text: 17 times for the line of a mint, which takes three times as long.
 *
 * @param time - its member, behind a comma
 */
export function lineOf(fields: LogFields, message: string, level: number, time: string): string {
  const { err } = fields
  let json = '{}'
  try {
    json = JSON.stringify(err === undefined ? fields : { ...fields, err: describeError(err) })
  } catch {
    // A bigint or a circle has no JSON. The message is still written.
  }
  const members = json === '{}' ? '' : `,${json.slice(1, -1)}`
  const line = `{"level":${level}${time}${members},"msg":${JSON.stringify(message)}}\n`
  return line.replace(CREDENTIAL, REDACTED)
}

/** Name, message, code and stack of an error and of its causes; no other property is printed. */
function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: typeof error }
  const { name: type, message, stack } = error
  const isLast = error.cause === undefined || depth > 3
  const cause = isLast ? undefined : describeError(error.cause, depth + 1)
  return { type, message, code: codeIn(error), stack, cause }
}
