// Starts a service on loopback, for the commands that run one for a developer.

import { type ListenOptions, listen } from '../http/server/server.ts'
import type { Log } from '../lib/log.ts'
import type { Service } from '../service.ts'
import { freePort } from './usual-port.ts'

/** Never another address: whoever reaches the embedded sign-in can sign in as anybody. */
const HOST = '127.0.0.1'
/** Milliseconds that Ctrl-C waits at most for requests in flight. */
const GRACE_MS = 500

interface LoopbackService {
  /** `http://localhost:8787` */
  readonly url: string
  close(): Promise<void>
}

/** A service, and its routes with those that a command adds. */
interface MadeService {
  readonly service: Service
  readonly app: ListenOptions['app']
}

/**
 * Starts a service on its usual port, or on any free one when that is taken.
 *
 * @param usualPort - 0 for any
 * @param make - builds the service, which must know its own URL: client secrets of self-hosted workflows name it
 */
export async function startOnLoopback(
  usualPort: number,
  make: (url: string) => Promise<MadeService>,
  log: Log,
): Promise<LoopbackService> {
  const port = await freePort(usualPort)
  const url = `http://localhost:${port}`
  const { service, app } = await make(url)
  const listening = await listen({ app, host: HOST, port, log }).catch(() => undefined)
  if (listening === undefined) {
    // Another process took the port in between.
    await service.close()
    return startOnLoopback(0, make, log)
  }
  return {
    url,
    async close() {
      service.drain()
      await listening.stop(GRACE_MS)
      await service.close()
    },
  }
}
