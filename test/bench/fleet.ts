import { once, repeat } from './load/identity.ts'
import { measureCpu } from './measure-cpu.ts'
import type { Scene } from './scene.ts'
import { type Server, startServer } from './server.ts'
import type { Side } from './sides.ts'

/** Users with a token each, so many that no user's list of sessions becomes long. */
const USERS = 2000
/** Below that, V8 is still compiling: the first seconds of a server cost several times the later. */
const WARM_UP_SECONDS = { full: 5, quick: 1.2 }

export type Fleet = ReturnType<typeof createFleet>

/** Nothing is started before it is asked for. */
export function createFleet(scene: Scene) {
  const servers = new Map<string, Server>()
  const requests = scene.identity.requests('ES256', Math.ceil(USERS * shortened(scene)))
  const serverOf = async (side: Side) => {
    const known = servers.get(side.name)
    if (known !== undefined) return known
    scene.progress(`starting and warming up: ${side.name}`)
    const server = await startServer(side, scene)
    servers.set(side.name, server)
    await warmUp(server, scene)
    return server
  }
  const warm = async (sides: readonly Side[]) => {
    const servers: Server[] = []
    for (const side of sides) servers.push(await serverOf(side))
    return servers
  }
  return {
    /** Gives the next request of users whose tokens all of these servers have seen. */
    seen: repeat(requests),
    /** The servers of these sides, in their order. */
    warm,
    /** The same, when they have just seen the tokens of `seen`. */
    async warmWithSeen(sides: readonly Side[]) {
      const servers = await warm(sides)
      // Each time: a part with many new tokens may have driven these out of a bounded cache.
      for (const server of servers.filter(({ side }) => side.remembers)) {
        await measureCpu(server, { next: once(requests), seconds: ALL_SECONDS })
      }
      return servers
    },
    async close() {
      await Promise.all([...servers.values()].map((server) => server.end()))
    },
  }
}

/** Enough for each of the users, on the slowest side. */
const ALL_SECONDS = 30
/** The tokens repeat during the run, so that both paths are compiled. */
const WARM_UP_TOKENS = 2000

/** Runs a server until V8 has compiled its hot functions. */
export async function warmUp(server: Server, scene: Scene): Promise<void> {
  const { upstream, options, identity } = scene
  upstream.delayMs = 0
  const seconds = options.quick ? WARM_UP_SECONDS.quick : WARM_UP_SECONDS.full
  const next = repeat(identity.requests('ES256', Math.ceil(WARM_UP_TOKENS * shortened(scene))))
  await measureCpu(server, { next, seconds: seconds * shortened(scene) })
}

/** A run so short that it measures nothing is not warmed up in full either. */
function shortened({ options }: Scene): number {
  return Math.min(options.scale * 4, 1)
}
