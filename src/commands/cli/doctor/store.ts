// Checks that the store of the config can be opened and written.

import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { nameOfStore, type StoreLocation } from '../../../config/store-url.ts'
import { createLog } from '../../../lib/log.ts'
import { reasonOf } from '../../../lib/show.ts'
import { openRegistry } from '../../../registry/open-registry.ts'
import type { Registry } from '../../../registry/port.ts'
import { keysOfOlderFile } from '../../../registry/sqlite/older-file.ts'
import { type Finding, note, ok, wrong } from './finding.ts'

/** A store under examination, with its findings. */
interface OpenStore {
  readonly findings: readonly Finding[]
  /**
   * The open registry, which the caller closes. It is in memory when there is no file yet, only the keys of an
   * older file, and undefined when it cannot be opened.
   */
  readonly registry: Pick<Registry, 'keptKey' | 'close'> | undefined
}

const STORE_TRIES = 30
const STORE_PAUSE_MS = 100

/**
 * Opens the store and writes the same as a health check, which is no user's data. A missing file is not
 * created: it would belong to the user who runs the doctor, and the service could not write to it. The file of an
 * older version stays as it is: that version may still run.
 */
export async function checkStore(location: StoreLocation): Promise<OpenStore> {
  if (location.kind !== 'sqlite') return openStore(location)
  const { path } = location
  if (!existsSync(path)) return withoutFile(path)
  try {
    const keys = keysOfOlderFile(path)
    return keys === undefined ? openStore(location) : olderStore(path, keys)
  } catch (error) {
    const message = `sqlite:${path}: ${reasonOf(error)}`
    return { findings: [wrong('store', message, STORE_ADVICE.sqlite)], registry: undefined }
  }
}

function olderStore(path: string, keys: ReadonlyMap<string, Uint8Array>): OpenStore {
  const message = `sqlite:${path} is of an older version: the next start moves it to this one`
  const advice = 'back it up first: the older version refuses it from then on'
  return {
    findings: [note('store', message, advice)],
    registry: { keptKey: async (name, make) => keys.get(name) ?? make(), close: async () => {} },
  }
}

async function withoutFile(path: string): Promise<OpenStore> {
  const registry = await openRegistry({ kind: 'memory' }, createLog({ level: 'silent' }))
  const folder = nearestFolder(resolve(path))
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
    const message = `sqlite:${path} is not there yet: it is made at the first start`
    return { findings: [note('store', message)], registry }
  } catch {
    const message = `sqlite:${path} is not there, and cannot be made in ${folder}`
    return { findings: [wrong('store', message, STORE_ADVICE.sqlite)], registry }
  }
}

function nearestFolder(path: string): string {
  const folder = dirname(path)
  return existsSync(folder) || folder === path ? folder : nearestFolder(folder)
}

async function openStore(location: StoreLocation): Promise<OpenStore> {
  const said: Said[] = []
  const log = createLog({
    level: 'info',
    destination: { write: (line) => said.push(JSON.parse(line)) },
  })
  const name = nameOfStore(location)
  let registry: Awaited<ReturnType<typeof openRegistry>> | undefined
  try {
    registry = await openRegistry(location, log)
    await patiently(() => registry?.check())
    const notes = said.map(({ msg }) => note('store', msg))
    return {
      findings: [
        ok('store', `${name} answers and can be written`),
        ...memoryNote(location),
        ...notes,
      ],
      registry,
    }
  } catch (error) {
    const last = said.findLast(({ cause }) => cause !== undefined)
    const message = last
      ? `${last.msg} (${last.address}: ${last.cause})`
      : `${name}: ${reasonOf(error)}`
    return { findings: [wrong('store', message, STORE_ADVICE[location.kind])], registry }
  }
}

/** A line of the log. Lines about a failure of Redis have an address and a cause. */
interface Said {
  readonly msg: string
  readonly address?: string
  readonly cause?: string
}

const STORE_ADVICE: Readonly<Record<StoreLocation['kind'], string>> = {
  memory: 'check STORE_URL',
  sqlite:
    'check the path in STORE_URL, that this user may write there, that no other program holds the file, and that the disk is not full',
  redis:
    'mend Redis, or correct address, password or TLS in STORE_URL; until then nobody gets a session',
}

function memoryNote({ kind }: StoreLocation): Finding[] {
  const message = 'memory: sessions, blocks and the audit end with the process'
  return kind === 'memory' ? [note('store', message, 'set STORE_URL for anything but a trial')] : []
}

/** Repeats the work for 3 s, because the connection to Redis is made in the background. */
export async function patiently(work: () => Promise<void> | undefined): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await work()
    } catch (error) {
      if (tries === STORE_TRIES) throw error
      await wait(STORE_PAUSE_MS)
    }
  }
}
