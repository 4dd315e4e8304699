// Refuses a request that Node's parser could not read, after the answers to those before it on its connection.
import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import { markAnsweredBelow } from '../answer.ts'

/**
 * A client may send requests without waiting for answers, which must keep their order (RFC 9112 §9.3.2). A
 * refusal that goes out at once would be taken for the answer to an earlier request.
 */
export function createBrokenRequests() {
  const connections = new WeakMap<Duplex, Answers>()
  /** The parser reports again with each further packet. */
  const refused = new WeakSet<Duplex>()
  return {
    /** Call this for each request that arrives, with its answer. */
    note(answer: ServerResponse): void {
      const { socket } = answer.req
      const known = connections.get(socket)
      if (known === undefined) connections.set(socket, { latest: answer, before: undefined })
      else {
        known.before = known.latest.writableFinished ? undefined : known.latest
        known.latest = answer
      }
    },
    /** @param write - writes the refusal and closes the connection; called at most once */
    refuse(socket: Duplex, write: () => void): void {
      if (refused.has(socket)) return
      refused.add(socket)
      const { latest, before } = connections.get(socket) ?? {}
      // The error is in the body of a request that the app has, or in the head of the one after it.
      const inBody = latest?.req.complete === false
      const writeOrCut = () => {
        // In the middle of an answer nothing sensible can be written.
        if (!socket.writable || (inBody && latest.headersSent)) socket.destroy()
        else {
          if (inBody) markAnsweredBelow(latest)
          write()
        }
      }
      const awaited = inBody ? before : latest
      if (awaited === undefined || awaited.writableFinished) writeOrCut()
      else awaited.once('finish', writeOrCut)
    },
  }
}

/** The answers of one connection that may be unfinished. */
interface Answers {
  latest: ServerResponse
  /** The one before the latest; undefined when it was finished before that request came. */
  before: ServerResponse | undefined
}
