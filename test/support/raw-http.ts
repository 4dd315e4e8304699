import { once } from 'node:events'
import { connect } from 'node:net'

/** One answer as it stood on the wire. */
export interface RawAnswer {
  readonly status: number
  /** Names in lower case; repeated ones joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** The body as JSON; throws when it is none. */
  json(): Record<string, unknown>
}

export type RawConnection = Awaited<ReturnType<typeof openRaw>>

/**
 * @param url - of the server; only its host and port count
 */
export async function openRaw(url: string) {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let received: Buffer = Buffer.alloc(0)
  let ended = false
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
  })
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  void closed.then(() => {
    ended = true
    socket.emit('data', Buffer.alloc(0))
  })
  let failure: string | undefined
  // A server may cut a connection while we still send. Its answer before that counts.
  socket.on('error', ({ code }: NodeJS.ErrnoException) => {
    failure = code
  })
  await once(socket, 'connect')
  return {
    /** Writes as it stands; text as Latin-1. */
    send(bytes: string | Uint8Array) {
      socket.write(typeof bytes === 'string' ? latin1(bytes) : bytes)
    },
    /** The next whole answer; throws when the connection ends before. `head`: it has no body. */
    async next({ head = false } = {}): Promise<RawAnswer> {
      for (;;) {
        const parsed = parseAnswer(received, head)
        if (parsed !== undefined) {
          received = received.subarray(parsed.length)
          return parsed.answer
        }
        if (ended) throw new Error(`closed before an answer, after ${received.length} bytes`)
        await once(socket, 'data')
      }
    },
    /** Resolves when the server has closed the connection. */
    closed,
    /** Everything that came and was not taken by `next`. */
    rest: () => received.toString('latin1'),
    /** Reads nothing from now on. */
    pause: () => void socket.pause(),
    /** Reads to the end. Gives the code of the system's error, if the connection does not end in order. */
    async readToEnd(): Promise<string | undefined> {
      socket.resume()
      await closed
      return failure
    },
    /** Closes at once, as a client that crashes does. */
    destroy: () => void socket.destroy(),
  }
}

/** Sends on a connection of its own and gives the first answer. */
export async function rawExchange(url: string, bytes: string | Uint8Array): Promise<RawAnswer> {
  const connection = await openRaw(url)
  try {
    connection.send(bytes)
    return await connection.next()
  } finally {
    connection.destroy()
  }
}

export interface RawParts {
  /** Lines after `Host`, without line ends. */
  readonly headers?: readonly string[]
  /** With its `Content-Length`; text as UTF-8. */
  readonly body?: string | Uint8Array
}

/**
 * The bytes of a request with a `Host`.
 *
 * @param line - method and target: `GET /livez`
 */
export function rawRequest(line: string, { headers = [], body }: RawParts = {}): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body) : Buffer.from(body ?? [])
  const length = body === undefined ? [] : [`Content-Length: ${bytes.length}`]
  const head = [`${line} HTTP/1.1`, 'Host: mint.test', ...headers, ...length, '', '']
  return Buffer.concat([latin1(head.join('\r\n')), bytes])
}

/** `bytes` as one chunk and the end, for `Transfer-Encoding: chunked`. */
export function chunked(bytes: string): string {
  return `${Buffer.byteLength(bytes).toString(16)}\r\n${bytes}\r\n0\r\n\r\n`
}

function parseAnswer(
  bytes: Buffer,
  head: boolean,
): { answer: RawAnswer; length: number } | undefined {
  const end = bytes.indexOf('\r\n\r\n')
  if (end === -1) return undefined
  const [statusLine = '', ...lines] = bytes.subarray(0, end).toString('latin1').split('\r\n')
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(statusLine)?.[1])
  const headers = joinedHeaders(lines)
  const start = end + 4
  const bodiless = head || status === 204 || status === 304 || status < 200
  const length = bodiless ? 0 : Number(headers['content-length'])
  if (Number.isNaN(length)) throw new Error(`an answer without Content-Length: ${statusLine}`)
  if (bytes.length < start + length) return undefined
  const body = bytes.subarray(start, start + length).toString('utf8')
  const answer = { status, headers, body, json: () => JSON.parse(body) }
  return { answer, length: start + length }
}

function joinedHeaders(lines: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value
  }
  return headers
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}
