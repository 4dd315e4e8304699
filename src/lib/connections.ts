// Makes the connections for outgoing calls, directly or through a proxy. The caller decides which calls use a proxy.

import { connect as connectSocket, isIP } from 'node:net'
import type { buildConnector as Connector } from 'undici'
import connect from 'undici/lib/api/api-connect.js'
import request from 'undici/lib/api/api-request.js'
import buildConnector from 'undici/lib/core/connect.js'
import Agent from 'undici/lib/dispatcher/agent.js'
import Dispatcher from 'undici/lib/dispatcher/dispatcher.js'
import Pool from 'undici/lib/dispatcher/pool.js'
import ProxyAgent from 'undici/lib/dispatcher/proxy-agent.js'
import { lookupTogether as lookup } from './lookup.ts'
import type { Secret } from './secret.ts'
import { USER_AGENT } from './version.ts'

// As undici's index does, which would load twice as many files. A proxy's tunnel is opened with `connect`.
Object.assign(Dispatcher.prototype, { request, connect })

/** A proxy that the environment names. */
export interface OutboundProxy {
  /** `http://proxy.example.com:3128`, without user and password. */
  readonly origin: string
  /** `Basic …`, for the proxy only. */
  readonly authorization: Secret | undefined
}

/** The proxy for a call to this address; undefined for a direct connection. */
export type ProxyFor = (url: URL) => OutboundProxy | undefined

/** How long a proxy may take to open a tunnel, in milliseconds: as long as undici waits for a TCP connection. */
const CONNECT_MS = 10_000

/**
 * Connections to one origin, over HTTP/1.1 only: over HTTP/2, all calls share a connection and fail with it.
 *
 * @param connections - most connections; no bound when absent
 */
export function connectTo(origin: string, proxyFor: ProxyFor, connections?: number): Dispatcher {
  return openPool(origin, proxyFor, { allowH2: false, ...(connections && { connections }) })
}

/** Connections to any origin. */
export function connectToAny(proxyFor: ProxyFor, bounds: Pool.Options): Dispatcher {
  return new Agent({
    ...bounds,
    factory: (origin, made) => openPool(new URL(origin).origin, proxyFor, made),
  })
}

function openPool(origin: string, proxyFor: ProxyFor, bounds: Pool.Options): Dispatcher {
  const proxy = proxyFor(new URL(origin))
  if (proxy !== undefined) return throughProxy(proxy, bounds)
  const { allowH2 = true } = bounds
  return new Pool(origin, {
    ...bounds,
    connect: noticingResets(buildConnector({ allowH2, lookup })),
  })
}

/**
 * An answer that ends with its connection is incomplete if that was reset (RFC 9112 §6.3). undici takes an error
 * with the code `ECONNRESET` as the end of such an answer; this listener runs before undici's.
 */
function noticingResets(open: Connector.connector): Connector.connector {
  return (target, done) =>
    open(target, (...[error, socket]) => {
      if (error !== null) return done(error, null)
      socket.on('error', (reset: NodeJS.ErrnoException) => {
        if (reset.code === 'ECONNRESET') reset.code = 'ECONNRESET_BY_PEER'
      })
      done(null, socket)
    })
}

/** Plain http goes to the proxy in absolute form (RFC 9112 §3.2.2), https through a tunnel (CONNECT). */
function throughProxy(
  { origin: proxy, authorization }: OutboundProxy,
  bounds: Pool.Options,
): Dispatcher {
  const toProxy = { allowH2: false, connect: openToProxy }
  return new ProxyAgent({
    ...bounds,
    allowH2: false,
    uri: proxy,
    ...(authorization && { token: authorization.reveal() }),
    // A proxy sees these headers of CONNECT, and none of the call's own.
    headers: { 'user-agent': USER_AGENT },
    factory: (origin, made) => {
      const isProxy = new URL(origin).origin === proxy
      if (isProxy) return new Pool(origin, { ...made, ...toProxy })
      // Opens the tunnel.
      const { connect } = made as { readonly connect: Connector.connector }
      return new Pool(origin, { ...made, connect: noticingResets(connect) })
    },
    clientFactory: () => new Pool(proxy, { ...toProxy, headersTimeout: CONNECT_MS }),
  })
}

const openSocket = noticingResets(buildConnector({ allowH2: false, lookup }))

/** undici passes even an IP address as TLS server name, which Node refuses. A certificate may be for an address. */
const openToProxy: Connector.connector = (target, done) => {
  const { servername, ...unnamed } = target
  return openSocket(isIP(servername ?? '') ? unnamed : target, done)
}

/**
 * Whether the port accepts a TCP connection.
 *
 * @param milliseconds - after which the answer is false
 */
export function accepts(host: string, port: number, milliseconds: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectSocket({ host, port, timeout: milliseconds })
    const end = (answer: boolean) => {
      socket.destroy()
      resolve(answer)
    }
    socket.once('connect', () => end(true))
    socket.once('error', () => end(false))
    socket.once('timeout', () => end(false))
  })
}
