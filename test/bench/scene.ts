import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { carryOut } from '../deploy/dockerfile.ts'
import { startRedis, type TestRedis, wantsRedis } from '../support/registry/redis.ts'
import { startFakeUpstream } from './fake-upstream.ts'
import { createIdentity } from './load/identity.ts'
import { bindCores } from './machine.ts'
import type { Options } from './options.ts'
import { findSides, inImage, type Side } from './sides.ts'

export type Scene = Awaited<ReturnType<typeof createScene>>

/** Starts what the sides share. */
export async function createScene(options: Options) {
  const cores = bindCores()
  const folder = mkdtempSync(join(tmpdir(), 'chatkit-mint-bench-'))
  const removeFolder = () => rmSync(folder, { recursive: true, force: true })
  process.once('exit', removeFolder)
  const redis = await openRedis(options)
  const { sides, missing } = findSides({ redis: redis !== undefined, only: options.sides })
  const identity = createIdentity()
  const upstream = await startFakeUpstream(identity.jwks)
  const began = performance.now()
  let folders = 0
  let image: Side | undefined
  const newFolder = (name: string) => {
    const path = join(folder, `${name}-${++folders}`)
    mkdirSync(path)
    return path
  }
  return {
    options,
    cores,
    identity,
    upstream,
    redisUrl: redis?.url,
    sides,
    missing,
    /** Failures so far. With any of them the run has failed. */
    failures: [] as string[],
    /** A request that every side answers with a mint. */
    oneRequest: identity.requests('ES256', 1)[0] ?? '',
    /** A new folder, gone after the run. */
    newFolder,
    /** Ours as the image starts it, which is made once, in some seconds; a quick run has none. */
    image() {
      if (options.quick) return []
      image ??= inImage(join(carryOut(newFolder('image')), 'app'))
      return [image]
    },
    /** A line about how far the run is. */
    progress(line: string) {
      const seconds = Math.round((performance.now() - began) / 1000)
      process.stderr.write(`${String(seconds).padStart(4)} s  ${line}\n`)
    },
    async close() {
      await upstream.close()
      await redis?.close()
      removeFolder()
    },
  }
}

/** With an append-only file, as start-up asks for it. */
async function openRedis(options: Options): Promise<TestRedis | undefined> {
  const asked = options.sides.length === 0 || options.sides.includes('redis')
  if (!asked || !wantsRedis()) return undefined
  return startRedis(['--appendonly', 'yes'])
}

/** Names of sides, for a quick run and for a whole one. */
export interface SideNames {
  readonly quick: readonly string[]
  readonly full: readonly string[]
}

/** Those of the scene's sides that a part measures. */
export function sidesFor({ options, sides }: Scene, names: SideNames): readonly Side[] {
  const wanted = options.quick ? names.quick : names.full
  return sides.filter(({ name }) => wanted.includes(name))
}
