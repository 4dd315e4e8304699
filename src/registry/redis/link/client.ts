// Connects to the one Redis server that holds our keys.

import { RedisClient } from '@redis/client'
import { z } from 'zod'
import { lookupTogether as lookup } from '../../../lib/lookup.ts'
import type { Secret } from '../../../lib/secret.ts'

/**
 * All keys begin with it, so that they share a slot. No key has exactly this name: while a cluster moves the
 * slot, Redis therefore refuses our scripts with `ASK` instead of running them on the keys that are left.
 */
export const HASH_TAG = '{ckm}'
/** The slot of {@link HASH_TAG}, as `CLUSTER KEYSLOT` says. */
const SLOT = 10_464
/** Milliseconds to connect and to send user and password, and for the answer that names the nodes of a cluster. */
const CONNECT_MS = 1_000
const DEFAULT_PORT = 6379

export interface RedisLocation {
  readonly url: Secret
  readonly cluster: boolean
  /** Replicas that must acknowledge a revoke, cancel or logout; 0: the primary is enough. */
  readonly replicas: number
}

/**
 * One socket to one server. It never reconnects by itself, so two commands on it reach the same server, or
 * one of them fails.
 */
export interface RedisConnection {
  /** Commands are executed in the order in which they are sent. */
  send(args: readonly string[]): Promise<unknown>
  isReady(): boolean
  /** Ends at once; commands under way are refused. */
  destroy(): void
}

/** Host and port, without user and password. */
export function addressOf(url: Secret): string {
  const { hostname, port } = new URL(url.reveal())
  return `${hostname}:${port || DEFAULT_PORT}`
}

/**
 * Makes the function that opens a connection to the primary of our slot, a new one at each call.
 *
 * @param location - one server, or any node of a cluster, which names the other nodes
 */
export function createConnect({
  url,
  cluster,
}: Pick<RedisLocation, 'url' | 'cluster'>): () => Promise<RedisConnection> {
  if (!cluster) return () => open(url.reveal())
  let nodes: readonly string[] = [url.reveal()]
  let turn = 0
  return async () => {
    // Each attempt asks another node, so that one that is gone does not stop us.
    const node = nodes[turn++ % nodes.length] ?? url.reveal()
    const connection = await open(node)
    try {
      const answer = await answered(connection, connection.send(['CLUSTER', 'SLOTS']))
      const shards = shardsSchema.parse(answer)
      const urlOf = (one: Node) => urlAt(node, one)
      nodes = [...new Set([url.reveal(), ...shards.flatMap(({ nodes: all }) => all.map(urlOf))])]
      const ours = shards.find(({ from, to }) => from <= SLOT && SLOT <= to)?.nodes[0]
      if (ours === undefined) throw new Error('CLUSTERDOWN no node has the slot of our keys')
      return await open(urlOf(ours))
    } finally {
      connection.destroy()
    }
  }
}

type Node = readonly [host: string | null, port: number]

const nodeSchema = z
  .tuple([z.string().nullable(), z.number()], z.unknown())
  .transform(([host, port]): Node => [host, port])
/** The answer to `CLUSTER SLOTS`; each entry is the first and last slot, the primary, and its replicas. */
const shardsSchema = z.array(
  z
    .tuple([z.number(), z.number()], nodeSchema)
    .transform(([from, to, ...nodes]) => ({ from, to, nodes })),
)

/** A node that does not know its own host name has the one at which it was asked. */
function urlAt(asked: string, [host, port]: Node): string {
  const url = new URL(asked)
  if (host) url.hostname = host.includes(':') ? `[${host}]` : host
  url.port = String(port)
  return url.href
}

/** Made once: for each new address, the library's own `createClient` makes 400 commands anew, 40 ms of CPU. */
const createClient = RedisClient.factory({ RESP: 2 })

async function open(url: string): Promise<RedisConnection> {
  const options = {
    // The factory's decides about the commands alone, and its type leaves no room for this one.
    RESP: 2,
    url,
    disableOfflineQueue: true,
    maintNotifications: 'disabled',
    commandOptions: { timeout: 0 },
    socket: { connectTimeout: CONNECT_MS, reconnectStrategy: false, lookup },
  } as const
  const client = createClient(options)
  const destroy = () => {
    if (client.isOpen) client.destroy()
  }
  // Nothing is lost: the same error rejects `connect` and every command under way.
  client.on('error', () => {})
  const hint = url.startsWith('rediss:') ? ' in TLS; a port without it wants redis://' : ''
  await answered({ destroy }, client.connect(), hint)
  return { send: (args) => client.sendCommand(args), isReady: () => client.isReady, destroy }
}

/** Ends a connection whose server hangs: it accepts the connection, and does not answer to the password or a question. */
async function answered<T>(
  { destroy }: Pick<RedisConnection, 'destroy'>,
  answer: Promise<T>,
  hint = '',
): Promise<T> {
  let late = false
  const patience = setTimeout(() => {
    late = true
    destroy()
  }, CONNECT_MS)
  try {
    return await answer
  } catch (error) {
    if (!late) throw error
    throw new Error(`no answer within ${CONNECT_MS} ms${hint}`, { cause: error })
  } finally {
    clearTimeout(patience)
  }
}
