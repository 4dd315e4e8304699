import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { RedisClient } from '@redis/client'
import { z } from 'zod'
import { freePort } from '../network/listen.ts'

const run = promisify(execFile)
const texts = z.array(z.string())

/** A redis-server of this test's own, on loopback. */
export type TestRedis = Awaited<ReturnType<typeof startOn>>

/** Whether the machine has Redis; tests that need it fail without it when `CI=true`. */
export function wantsRedis(): boolean {
  return process.env['CI'] === 'true' || ['redis-server', 'redis-cli'].every(isOnPath)
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/**
 * @param options - further arguments of redis-server
 */
export async function startRedis(options: readonly string[] = []): Promise<TestRedis> {
  for (let tries = 1; ; tries++) {
    try {
      return await startOn(await freePort(), options)
    } catch (error) {
      // Another process may have taken the port meanwhile.
      if (tries === 3) throw error
    }
  }
}

async function startOn(port: number, options: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  const cli = async (...command: string[]) =>
    (await run('redis-cli', ['-p', String(port), ...command])).stdout.trim()
  let child: ChildProcess
  let flusher: ReturnType<typeof connectTo> | undefined

  async function start(): Promise<void> {
    child = spawn('redis-server', [...args, ...options], { stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      said = `${said}${text}`.slice(-2000)
    })
    for (let tries = 0; tries < 200 && child.exitCode === null; tries++) {
      try {
        if ((await cli('ping')) === 'PONG') return
      } catch {
        // Not listening yet.
      }
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
    await kill()
    throw new Error(`redis-server does not start: ${said}`)
  }

  async function kill(): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  await start()
  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    /** Runs redis-cli against it. */
    cli,
    /** Removes every key, on a connection of its own: a process for each flush costs more than the tests. */
    async flush() {
      flusher ??= connectTo(port)
      await (await flusher).flushAll()
    },
    /** The keys that match a pattern; names may hold line feeds. */
    keys: async (pattern: string) => texts.parse(JSON.parse(await cli('--json', 'keys', pattern))),
    /** SIGKILL. */
    kill,
    /** After `kill`: on the same port and files. */
    restart: start,
    /** It keeps its sockets and answers nothing. */
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async close() {
      void flusher?.then((client) => client.destroy())
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** `createClient` would make every command anew for each server. */
const createClient = RedisClient.factory()
const connectTo = (port: number) => createClient({ url: `redis://127.0.0.1:${port}` }).connect()

/** Three primaries that share the slots. */
export async function startCluster(): Promise<readonly TestRedis[]> {
  const nodes: TestRedis[] = []
  for (let at = 0; at < 3; at++) {
    const bus = ['--cluster-port', String(await freePort()), '--cluster-node-timeout', '2000']
    nodes.push(await startRedis(['--cluster-enabled', 'yes', ...bus]))
  }
  const addresses = nodes.map((node) => `127.0.0.1:${node.port}`)
  await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
  for (const node of nodes) {
    for (
      let tries = 0;
      !(await node.cli('cluster', 'info')).includes('cluster_state:ok');
      tries++
    ) {
      if (tries > 200) throw new Error('the cluster does not form')
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  return nodes
}
