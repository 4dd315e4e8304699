import { connect } from 'node:net'

export interface Answer {
  /** 0 when the connection broke or the answer was no HTTP. */
  readonly status: number
  /** Whether it is a mint: 200, with a client secret of the fake upstream's in the body. */
  readonly minted: boolean
  /** For how long the upstream held it, in milliseconds. */
  readonly heldMs: number
}

/** A keep-alive connection that has one request under way at a time. */
export interface Connection {
  /** @param done - is called exactly once */
  send(request: string, done: (answer: Answer) => void): void
  /** Whether it can take another request. */
  readonly usable: () => boolean
  close(): void
}

const BROKEN: Answer = { status: 0, minted: false, heldMs: 0 }
const SECRET = /"client_secret":\s?"ek_\w+_(\d+)"/
const LENGTH = /\r\ncontent-length: ?(\d+)/i
const CHUNKED = /\r\ntransfer-encoding: ?chunked/i

/**
 * HTTP/1.1 by hand: a client library would cost this core more than the server's core has to do.
 *
 * @param port - on loopback
 */
export function openConnection(port: number): Connection {
  let received = ''
  let waiting: ((answer: Answer) => void) | undefined
  let open = true
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const finish = (answer: Answer) => {
    const done = waiting
    waiting = undefined
    received = ''
    done?.(answer)
  }
  const end = () => {
    open = false
    finish(BROKEN)
  }
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    received += chunk
    if (!isWhole(received)) return
    if (/\r\nconnection: close/i.test(headOf(received))) {
      open = false
      socket.end()
    }
    finish(read(received))
  })
  socket.on('error', end)
  socket.on('close', end)
  return {
    send(request, done) {
      waiting = done
      socket.write(request, 'latin1')
    },
    usable: () => open && waiting === undefined,
    close: () => socket.destroy(),
  }
}

function headOf(text: string): string {
  return text.slice(0, text.indexOf('\r\n\r\n'))
}

function isWhole(text: string): boolean {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return false
  const length = LENGTH.exec(text)
  if (length !== null) return text.length >= end + 4 + Number(length[1])
  return CHUNKED.test(text) ? text.endsWith('\r\n0\r\n\r\n') : true
}

function read(text: string): Answer {
  const status = text.startsWith('HTTP/1.1 ') ? Number(text.slice(9, 12)) : 0
  const held = status === 200 ? SECRET.exec(text)?.[1] : undefined
  return { status, minted: held !== undefined, heldMs: Number(held ?? 0) / 1000 }
}

/** The text of `POST /v1/sessions` as a browser's page sends it. */
export function mintRequest(token: string): string {
  return `POST /v1/sessions HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: ${PAGE_ORIGIN}\r\nAuthorization: Bearer ${token}\r\nContent-Length: 0\r\n\r\n`
}

/** Where the app of the measurements runs. */
export const PAGE_ORIGIN = 'https://app.acme.example'
