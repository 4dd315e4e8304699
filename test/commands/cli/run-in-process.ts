import { Readable, Writable } from 'node:stream'
import { runCli } from '../../../src/commands/cli/program.ts'
import type { Variables } from '../../../src/config/env.ts'

/** The outcome of a command line. */
export interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Streams and environment of a command line in this process, with nothing of the real environment. */
export interface World {
  readonly variables?: Variables
  /** Standard input. */
  readonly input?: string
  readonly nowMs?: number
}

/**
 * Runs a command line in this process, not on a terminal.
 *
 * @param words - without node and script
 */
export async function runInProcess(words: readonly string[], world: World = {}): Promise<Ran> {
  const out = collector()
  const err = collector()
  const { variables = {}, input = '', nowMs } = world
  const code = await runCli(words, {
    stdin: Readable.from([Buffer.from(input)]),
    stdout: out.stream,
    stderr: err.stream,
    variables,
    now: () => nowMs ?? Date.now(),
    signal: new AbortController().signal,
  })
  return { code, out: out.text(), err: err.text() }
}

function collector() {
  const chunks: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      chunks.push(String(chunk))
      done()
    },
  })
  return { stream, text: () => chunks.join('') }
}
