import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { flood, serve } from './network/listen.ts'

export type KeyServerBehaviour =
  /** The key set, or the discovery document, as it should be. */
  | { readonly kind: 'ok' }
  /** The same, compressed unless the request refuses that, and 406 unless it takes JSON (RFC 9110 §12.5). */
  | { readonly kind: 'negotiates' }
  /** Compressed, whatever the request asks for. */
  | { readonly kind: 'compressed' }
  /** As it should be, with a content-encoding that it does not have. */
  | { readonly kind: 'mislabelled' }
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  | { readonly kind: 'redirect'; readonly location: string }
  /** A body of this many bytes, sent as fast as it is read. */
  | { readonly kind: 'flood'; readonly bytes: number }
  /** Headers and half a body, then nothing. */
  | { readonly kind: 'stall' }
  /** No answer at all. */
  | { readonly kind: 'hang' }
  /** The connection is cut. */
  | { readonly kind: 'reset' }

export type KeyServer = Awaited<ReturnType<typeof startKeyServer>>

/**
 * Starts a server with `/.well-known/openid-configuration` and `/jwks.json`, with a switch for every mishap.
 *
 * @param keys - public JWKs
 */
export async function startKeyServer(keys: readonly Record<string, unknown>[] = []) {
  const { origin: issuer, close } = await serve((request, response) => {
    if (request.url === '/jwks.json') {
      server.fetches.jwks += 1
      behave(server, server.jwksBehaviour, response, () => ({ keys: server.keys }))
    } else if (request.url === '/.well-known/openid-configuration') {
      server.fetches.discovery += 1
      behave(server, server.discoveryBehaviour, response, () => discoveryDocument(server))
    } else {
      server.fetches.other += 1
      behave(server, { kind: 'ok' }, response, () => ({ keys: server.keys }))
    }
  })
  const server = {
    /** The issuer identifier (an origin without trailing slash), for discovery. */
    issuer,
    jwksUri: `${issuer}/jwks.json`,
    /** Requests by path; other paths count as `other`. */
    fetches: { jwks: 0, discovery: 0, other: 0 },
    /** The published keys; replace them to rotate. */
    keys,
    /** Members that replace those of the discovery document. */
    discovery: {} as Record<string, unknown>,
    jwksBehaviour: { kind: 'ok' } as KeyServerBehaviour,
    discoveryBehaviour: { kind: 'ok' } as KeyServerBehaviour,
    /** Bytes of floods that were sent before their connections closed. */
    floodedBytes: 0,
    close,
  }
  return server
}

function discoveryDocument({ issuer, jwksUri, discovery }: KeyServer): Record<string, unknown> {
  return { issuer, jwks_uri: jwksUri, ...discovery }
}

function behave(
  server: KeyServer,
  behaviour: KeyServerBehaviour,
  response: ServerResponse,
  document: () => unknown,
): void {
  response.setHeader('content-type', 'application/json')
  switch (behaviour.kind) {
    case 'ok':
      response.end(JSON.stringify(document()))
      return
    case 'negotiates': {
      const { accept } = response.req.headers
      if (!accept?.includes('application/json')) response.statusCode = 406
      const plain = response.req.headers['accept-encoding'] === 'identity'
      if (!plain) response.setHeader('content-encoding', 'gzip')
      response.end(plain ? JSON.stringify(document()) : gzipSync(JSON.stringify(document())))
      return
    }
    case 'compressed':
      response.setHeader('content-encoding', 'gzip').end(gzipSync(JSON.stringify(document())))
      return
    case 'mislabelled':
      response.setHeader('content-encoding', 'aws-chunked').end(JSON.stringify(document()))
      return
    case 'answer':
      response.writeHead(behaviour.status).end(behaviour.body)
      return
    case 'redirect':
      response.writeHead(302, { location: behaviour.location }).end()
      return
    case 'flood':
      flood(response, behaviour.bytes, (bytes) => {
        server.floodedBytes += bytes
      })
      return
    case 'stall':
      response.writeHead(200).write('{"keys":')
      return
    case 'hang':
      return
    case 'reset':
      response.socket?.resetAndDestroy()
  }
}
