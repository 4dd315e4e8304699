// Passes a server's refusal on to the client, with its status and message.

import type { ServerReply } from '../chatkit/protocol/server-call.ts'
import { refusalOf, serverFault } from '../chatkit/protocol/server-fault.ts'
import { handedOnSeconds } from '../chatkit/wire/retry-after.ts'
import { ServiceError } from '../lib/errors.ts'
import { readBounded } from '../lib/read-bounded.ts'
import { scrub } from '../lib/secret.ts'
import { fieldOf } from './event-owner.ts'

/** Longest body in which a message is searched, in bytes. */
const MOST_BYTES = 64 * 1024
/** Most characters of a server's message that are passed on. */
const MOST_WORDS = 500

/**
 * Throws for a 4xx of a server.
 *
 * @throws `upstream_auth_failed` for 401 and 403, with which the server refuses our token, and for 407, which comes
 * from a proxy before the server; `server_refused` for every other 4xx
 */
export async function refuseForUser(reply: ServerReply, nowMs: number): Promise<void> {
  const { status } = reply
  if (status < 400 || status >= 500) return
  if (status === 401 || status === 403 || status === 407) {
    reply.body.destroy()
    throw serverFault('upstream_auth_failed', refusalOf(reply))
  }
  const words = await wordsOf(reply)
  const [retryAfter] = [reply.headers['retry-after']].flat()
  throw new ServiceError('server_refused', {
    reason: refusalOf(reply),
    upstream: 'self-hosted',
    status,
    ...(words && { detail: words }),
    ...(status === 429 && { retryAfterSeconds: handedOnSeconds(retryAfter, nowMs) }),
  })
}

/** @returns the server's message; undefined when there is none that can be shown */
async function wordsOf({ mediaType, body }: ServerReply): Promise<string | undefined> {
  const isJson = mediaType === 'application/json' || mediaType === 'application/problem+json'
  if (!isJson && mediaType !== 'text/plain') {
    body.destroy()
    return undefined
  }
  try {
    const text = (await readBounded(body, MOST_BYTES)).toString('utf8')
    return shown(isJson ? wordsIn(JSON.parse(text)) : text)
  } catch {
    // The body is too long, incomplete or not JSON. The status is enough then.
    return undefined
  }
}

function wordsIn(json: unknown): string | undefined {
  const error = fieldOf(json, 'error')
  const fields = [
    fieldOf(json, 'detail'),
    fieldOf(json, 'message'),
    error,
    fieldOf(error, 'message'),
  ]
  return fields.find((words) => typeof words === 'string')
}

/** Removes control characters first, because one inside a credential would hide the credential from `scrub`. */
function shown(words: string | undefined): string | undefined {
  const plain = words?.replace(/[\n\r\t]+/g, ' ').replace(/\p{Cc}/gu, '')
  return plain && [...scrub(plain.toWellFormed()).trim()].slice(0, MOST_WORDS).join('')
}
