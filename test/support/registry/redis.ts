import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, constants, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { ErrorReply, RedisClient } from '@redis/client'
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
  let child: ChildProcess
  let connection: ReturnType<typeof connectTo> | undefined
  /** On a connection that stays: a process of redis-cli for each command costs more than the tests. */
  const ask = async (...command: string[]): Promise<unknown> => {
    connection ??= connectTo(port)
    return (await connection).sendCommand(command)
  }

  async function start(): Promise<void> {
    child = spawn('redis-server', [...args, ...options], { stdio: ['ignore', 'pipe', 'ignore'] })
    let said = ''
    let isReady = false
    child.stdout?.setEncoding('utf8').on('data', (text) => {
      said += text
      // Said after it has read its files. A replica says much more at once.
      isReady ||= said.includes('Ready to accept connections')
      said = said.slice(-2000)
    })
    for (let tries = 0; tries < 1000 && child.exitCode === null; tries++) {
      if (isReady) return
      await new Promise((resolve) => setTimeout(resolve, 5))
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
    /** Asks as redis-cli does, and gives the text that it prints, also of an error. */
    cli: (...command: string[]) => ask(...command).then(textOf, textOfError),
    /** The same on a new connection, which has written nothing. */
    newCli: async (...command: string[]) =>
      (await run('redis-cli', ['-p', String(port), ...command])).stdout.trim(),
    /** Removes every key. */
    flush: () => ask('flushall'),
    /** The keys that match a pattern. */
    keys: async (pattern: string) => texts.parse(await ask('keys', pattern)),
    /** SIGKILL. */
    kill,
    /** After `kill`: on the same port and files. */
    restart: start,
    /** It keeps its sockets and answers nothing. */
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
    async close() {
      void connection?.then((client) => client.destroy())
      await kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function textOf(reply: unknown): string {
  return Array.isArray(reply) ? reply.map(textOf).join('\n') : String(reply ?? '').trim()
}

function textOfError(error: unknown): string {
  if (error instanceof ErrorReply) return error.message
  throw error
}

/** `createClient` would make every command anew for each server. */
const createClient = RedisClient.factory()
const connectTo = (port: number) =>
  createClient({ url: `redis://127.0.0.1:${port}` })
    // It connects again after a kill.
    .on('error', () => undefined)
    .connect()

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
