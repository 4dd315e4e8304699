import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'

/** Lets a server listen on a free port of this machine; `origin` is as in `http://127.0.0.1:8789`. */
export async function listen(server: Server): Promise<{ origin: string; port: number }> {
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  return { origin: `http://127.0.0.1:${port}`, port }
}

/** Below those that the kernel gives to `listen(0)` and to connections, so that no other test gets one meanwhile. */
const FREE_PORTS = [20_000, 32_767] as const

/** A port of loopback that nobody listens at. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...FREE_PORTS)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}
