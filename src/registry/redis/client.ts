// Connection to one Redis node or to a cluster, and Lua scripts with the hash Redis knows them by.

import { createHash } from 'node:crypto'
import { createClient, createCluster } from 'redis'
import type { Secret } from '../../lib/secret.ts'

/** What the adapter needs of a connection, be it to one node or to a cluster. */
export interface RedisConnection {
  connect(): Promise<void>
  /** @param key - routes the command; every key of the command is in its slot */
  send(key: string, args: readonly string[]): Promise<unknown>
  isReady(): boolean
  /** Resolves when every primary has answered. */
  ping(): Promise<void>
  /** Ends at once; commands under way are refused. */
  destroy(): void
}

/** Where Redis is. */
export interface RedisLocation {
  readonly url: Secret
  readonly cluster: boolean
}

const CONNECT_MS = 1_000
const RECONNECT_MS = { first: 50, most: 400 }

const commonOptions = {
  RESP: 2,
  /** A command that came while the connection was away must not run later: nobody waits for it. */
  disableOfflineQueue: true,
  maintNotifications: 'disabled',
} as const

const socketOptions = {
  connectTimeout: CONNECT_MS,
  reconnectStrategy: (retries: number): number =>
    Math.min(RECONNECT_MS.first * 2 ** Math.min(retries, 10), RECONNECT_MS.most) *
    (0.75 + Math.random() / 2),
}

/**
 * @param location - one node, or one node of a cluster
 * @param onError - connection errors; the client tries again by itself
 */
export function createConnection(
  location: RedisLocation,
  onError: (error: Error) => void,
): RedisConnection {
  return location.cluster ? toCluster(location, onError) : toNode(location, onError)
}

function toNode({ url }: RedisLocation, onError: (error: Error) => void): RedisConnection {
  const client = createClient({
    ...commonOptions,
    url: url.reveal(),
    socket: socketOptions,
    commandOptions: { timeout: 0 },
  })
  client.on('error', onError)
  return {
    async connect() {
      await client.connect()
    },
    send: (_key, args) => client.sendCommand(args),
    isReady: () => client.isReady,
    async ping() {
      await client.sendCommand(['PING'])
    },
    destroy: () => {
      if (client.isOpen) client.destroy()
    },
  }
}

function toCluster({ url }: RedisLocation, onError: (error: Error) => void): RedisConnection {
  const { username, password, protocol } = new URL(url.reveal())
  const cluster = createCluster({
    RESP: commonOptions.RESP,
    rootNodes: [{ url: bareUrl(url) }],
    defaults: {
      ...credentials(username, password),
      disableOfflineQueue: true,
      maintNotifications: 'disabled',
      socket: protocol === 'rediss:' ? { ...socketOptions, tls: true } : socketOptions,
    },
    commandOptions: { timeout: 0 },
    topologyRefreshOnReconnectionAttemptStrategy: 500,
  })
  cluster.on('error', onError)
  return {
    async connect() {
      await cluster.connect()
    },
    send: (key, args) => cluster.sendCommand(key, false, [...args]),
    isReady: () => cluster.isReady,
    async ping() {
      const answers = cluster.masters.map(async (node) => {
        const client = await cluster.nodeClient(node)
        await client.sendCommand(['PING'])
      })
      await Promise.all(answers)
    },
    destroy: () => {
      if (cluster.isOpen) cluster.destroy()
    },
  }
}

/** `cluster=true` is ours; the client would not know it. */
function bareUrl(url: Secret): string {
  const bare = new URL(url.reveal())
  bare.searchParams.delete('cluster')
  return bare.href
}

function credentials(username: string, password: string) {
  return {
    ...(username === '' ? {} : { username: decodeURIComponent(username) }),
    ...(password === '' ? {} : { password: decodeURIComponent(password) }),
  }
}

/** A Lua script and the name under which Redis keeps it. */
export interface Script {
  readonly text: string
  readonly sha: string
}

/**
 * @param text - Lua; it touches no key but those in `KEYS`
 */
export function script(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}
