import { closeSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { freePort } from '../support/network/listen.ts'
import { openConnection } from './load/connection.ts'
import { AUDIENCE, KEY_PAIR_ISSUER, SECRET_ISSUER } from './load/identity.ts'
import { onCore } from './machine.ts'
import type { Scene } from './scene.ts'
import { serviceConfig } from './service-config.ts'
import type { Side } from './sides.ts'
import { type Started, start } from './started.ts'

/** A side that serves. */
export interface Server extends Pick<Started, 'pid'> {
  readonly side: Side
  readonly port: number
  /** From the start of the process to its first minted secret, in milliseconds. */
  readonly firstMintMs: number
  /** Notes a failure, with the last output of the process. */
  fail(what: string): void
  /** Ends the process, and removes its files. */
  end(): Promise<void>
}

const READY_WITHIN_MS = 20_000

/**
 * Starts a side on a core of its own and mints once.
 *
 * @param using - `database` of SQLite, a new one when absent; `chatkitServer` of the self-hosted workflow, if there
 * is one
 * @throws when it does not mint in time
 */
export async function startServer(
  side: Side,
  scene: Scene,
  using: { readonly database?: string; readonly chatkitServer?: string } = {},
): Promise<Server> {
  const port = await freePort()
  const folder = scene.newFolder(side.name)
  const env = await environment(side, scene, { port, folder, ...using })
  // A deployment's log goes somewhere: here to a file.
  const log = join(folder, 'output.log')
  const output = openSync(log, 'w')
  const began = performance.now()
  const process = start({ command: onCore(scene.cores.server, side.command), env, output })
  closeSync(output)
  const end = async () => {
    await process.end()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await firstMint(process, port, scene.oneRequest)
  } catch (error) {
    await end()
    throw error
  }
  const firstMintMs = performance.now() - began
  const fail = (what: string) => {
    const said = lastWords(log) ?? process.complaint()
    scene.failures.push(`${side.name}: ${what}; it said: ${said || 'nothing'}`)
  }
  return { side, port, firstMintMs, pid: process.pid, fail, end }
}

/** Why the last request was refused, where the log of a side says so. */
function lastWords(log: string): string | undefined {
  const lines = readFileSync(log, 'utf8').split('\n')
  const refused = lines.findLast((line) => /"status":[45]/.test(line)) ?? ''
  const words = /"code":"(\w+)","reason":"([^"]+)"/.exec(refused)
  return words?.slice(1).join(', ')
}

async function environment(
  side: Side,
  scene: Scene,
  {
    port,
    folder,
    database,
    chatkitServer,
  }: {
    readonly port: number
    readonly folder: string
    readonly database?: string
    readonly chatkitServer?: string
  },
): Promise<Record<string, string>> {
  const common = {
    ...side.env,
    PORT: String(port),
    HOST: '127.0.0.1',
    NODE_ENV: 'production',
    OPENAI_BASE_URL: `${scene.upstream.origin}/v1`,
    OPENAI_API_KEY: 'sk-bench-0123456789abcdef',
    SHARED_SECRET: scene.identity.sharedSecret,
  }
  const jwksUrl = `${scene.upstream.origin}/jwks.json`
  if (side.store === undefined) {
    const issuers = { KEY_PAIR_ISSUER, SECRET_ISSUER, AUDIENCE }
    return { ...common, ...issuers, JWKS_URL: jwksUrl, CHATKIT_SERVER: chatkitServer ?? '' }
  }
  const config = join(folder, 'config.yaml')
  writeFileSync(config, serviceConfig(jwksUrl, chatkitServer))
  const metrics = String(await freePort())
  const store = storeUrl(side.store, scene, database ?? join(folder, 'chatkit-mint.db'))
  const publicUrl = `http://127.0.0.1:${port}`
  const own = { CONFIG_FILE: config, METRICS_PORT: metrics, STORE_URL: store }
  return { ...common, ...own, PUBLIC_URL: publicUrl }
}

function storeUrl(store: 'memory' | 'sqlite' | 'redis', scene: Scene, database: string): string {
  if (store === 'memory') return 'memory:'
  return store === 'sqlite' ? `sqlite:${database}` : (scene.redisUrl ?? '')
}

async function firstMint(process: Started, port: number, request: string): Promise<void> {
  const until = performance.now() + READY_WITHIN_MS
  while (performance.now() < until && process.running()) {
    if (await mintsOnce(port, request)) return
    await setTimeout(1)
  }
  throw new Error(`does not mint: ${process.complaint()}`)
}

function mintsOnce(port: number, request: string): Promise<boolean> {
  return new Promise((resolve) => {
    const connection = openConnection(port)
    connection.send(request, ({ minted }) => {
      connection.close()
      resolve(minted)
    })
  })
}
