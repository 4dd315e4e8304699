// Carries out `threads import`: records the owners of threads that a self-hosted server had before the move.

import { open } from 'node:fs/promises'
import { isStorable } from '../../../chatkit/protocol/request.ts'
import {
  EnvironmentError,
  readEnvironment,
  readServiceVariables,
  type Variables,
  withConfigFile,
} from '../../../config/env.ts'
import { readRules } from '../../../config/setup.ts'
import { nameOfStore } from '../../../config/store-url.ts'
import { unixSeconds } from '../../../lib/clock.ts'
import { parseUserId, userProblem } from '../../../lib/ids.ts'
import { createLog } from '../../../lib/log.ts'
import { openRegistry } from '../../../registry/open-registry.ts'
import type { Ownership } from '../../../registry/owned-records.ts'
import { ownersMoves } from '../../../threads/sources.ts'
import { patiently } from '../doctor/store.ts'
import { CommandError, EXIT, misconfigured, wrongUse } from '../exit.ts'
import { type Io, unreadable } from '../io.ts'
import { print, printJson } from '../output.ts'
import { startProgress } from '../progress.ts'

/** Records that are written together. */
const BATCH = 500

/** Options of `threads import`. */
export interface ImportFlags {
  readonly workflow: string
  readonly config?: string
  readonly json?: boolean
}

type Line = Pick<Ownership, 'id' | 'user'>

/**
 * Imports a file, which it reads to its end before it writes anything.
 *
 * @throws {@link CommandError} for a line that cannot be read; `StoreUnusableError`
 */
export async function importThreads(io: Io, file: string, flags: ImportFlags): Promise<void> {
  const variables = withConfigFile(io.variables ?? serviceVariables(), flags.config)
  const { settings } = readRules(variables, flags.config)
  const own = settings.workflows.find(({ name }) => name === flags.workflow)
  if (own?.kind !== 'self-hosted') {
    throw wrongUse(`--workflow: ${flags.workflow} is no workflow with a server`)
  }
  const { store } = readEnvironment(variables)
  if (store.kind === 'memory') {
    throw misconfigured('STORE_URL: a store in memory ends with this command')
  }
  // First pass: a file with a bad line is refused before anything is written.
  for await (const _ of linesOf(file)) io.signal.throwIfAborted()
  const log = createLog({ level: 'silent' })
  const registry = await openRegistry(store, log, ownersMoves(settings.workflows))
  const progress = startProgress(io, 'importing', false)
  const counts = { imported: 0, kept: 0 }
  const record = { source: own.threadsAt, kind: 'thread', createdAt: unixSeconds(io.now) } as const
  const claim = async (batch: readonly Line[]): Promise<void> => {
    io.signal.throwIfAborted()
    const claims = batch.map((line) => registry.claimOwnership({ ...record, ...line }))
    for (const outcome of await Promise.all(claims)) {
      counts[outcome === 'claimed' ? 'imported' : 'kept'] += 1
    }
    progress.show(counts)
  }
  try {
    await patiently(() => registry.check())
    let batch: Line[] = []
    for await (const line of linesOf(file)) {
      batch.push(line)
      if (batch.length < BATCH) continue
      await claim(batch)
      batch = []
    }
    await claim(batch)
  } finally {
    progress.stop()
    await registry.close()
  }
  if (flags.json) return printJson(io, counts)
  const where = `into ${nameOfStore(store)}, for ${own.threadsAt}`
  await print(io, `${counts.imported} imported, ${counts.kept} had an owner already; ${where}`)
}

/** With those of `.env`, as the service has them: the import must reach the service's own store. */
function serviceVariables(): Variables {
  const { variables, problems } = readServiceVariables()
  if (problems.length > 0) throw new EnvironmentError(problems)
  return variables
}

/** @throws {@link CommandError} with the number of a line that cannot be read, or of a file that cannot */
async function* linesOf(file: string): AsyncGenerator<Line, void, void> {
  let number = 0
  const handle = await open(file).catch((error) => {
    throw unreadable(file, error)
  })
  try {
    // Pipes are refused, because the file is read twice.
    if (!(await handle.stat()).isFile()) throw new CommandError(EXIT.noInput, `${file}: no file`)
    for await (const text of handle.readLines()) {
      number += 1
      const line = number === 1 ? text.replace(/^\uFEFF/, '') : text
      if (line !== '') yield read(line, number)
    }
  } finally {
    await handle.close()
  }
}

function read(text: string, number: number): Line {
  const comma = text.indexOf(',')
  const wrong = (what: string) => wrongUse(`line ${number}: ${what}; nothing was written`)
  if (comma === -1) throw wrong('has no comma between thread id and user')
  const [id, rest] = [text.slice(0, comma), text.slice(comma + 1)]
  if (text.includes('\uFFFD')) throw wrong('is not UTF-8')
  if (id.trim() === '') throw wrong('has no thread id')
  if (id !== id.trim()) throw wrong('has white space around the thread id; leave it out')
  if (!isStorable({ id })) {
    throw wrong('the thread id is refused: it is too long, or has characters that no id has')
  }
  // Other tools write CSV in quotes (some only a user with a comma or a quote in it), or with a space after the
  // comma. Taken as it is, no user would ever match.
  if (id.startsWith('"') || /^".*"$/.test(rest)) {
    throw wrong('is in quotes; write thread id and user without them')
  }
  const user = parseUserId(rest)
  if (user === undefined) throw wrong(`the user is refused (${userProblem(rest)})`)
  if (rest !== rest.trimStart()) throw wrong('has white space before the user; leave it out')
  return { id, user }
}
