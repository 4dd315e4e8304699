import { setTimeout } from 'node:timers/promises'
import { connectProfiler, type Ran } from './profiler.ts'
import { type RequestName, startScene } from './scene.ts'

/** The files and functions of src that one request runs. */
export interface PathLength {
  readonly files: number
  readonly functions: number
}

/**
 * The most files and functions that each request may run. A new one on a path has to replace another.
 */
export const LIMITS: Readonly<Record<RequestName, PathLength>> = {
  'admin-revoke': { files: 32, functions: 87 },
  'own-threads': { files: 46, functions: 131 },
  'gateway-stream': { files: 36, functions: 125 },
  // Last, because the meter of the loop's lag, which a mint starts, goes on for a while on a busy machine.
  mint: { files: 55, functions: 177 },
}

const WARM_UP = 10
const CALLS = 6
/** After each call, so that what follows the answer and the timer of the loop's lag always count. */
const PAUSE_MS = 60

/**
 * Measures the path of every request: the fewest functions of six calls, and so without the loops that
 * run now and then.
 *
 * @param sorted - the request whose functions come in the order in which they first run
 */
export async function measurePaths(
  sorted?: string,
): Promise<ReadonlyMap<RequestName, readonly Ran[]>> {
  const scene = await startScene()
  try {
    const profiler = await connectProfiler(scene.service)
    const paths = new Map<RequestName, readonly Ran[]>()
    for (const name of Object.keys(LIMITS) as RequestName[]) {
      paths.set(name, await shortestPath(profiler, scene.calls[name]))
    }
    for (const [name, path] of paths) {
      if (name !== sorted) continue
      paths.set(name, await profiler.inOrder(path, () => answered(scene.calls[name])))
    }
    profiler.close()
    return paths
  } finally {
    await scene.close()
  }
}

async function shortestPath(
  profiler: Awaited<ReturnType<typeof connectProfiler>>,
  call: () => Promise<Response>,
) {
  for (let count = 0; count < WARM_UP; count++) await answered(call)
  const paths: (readonly Ran[])[] = []
  for (let count = 0; count < CALLS; count++) {
    await profiler.take()
    await answered(call)
    paths.push(await profiler.take())
  }
  const [shortest = []] = paths.toSorted((a, b) => a.length - b.length)
  return shortest
}

async function answered(call: () => Promise<Response>): Promise<void> {
  const response = await call()
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status} ${text}`)
  await setTimeout(PAUSE_MS)
}

/** Counts files and functions of a path. */
export function lengthOf(path: readonly Ran[]): PathLength {
  return { files: new Set(path.map(({ file }) => file)).size, functions: path.length }
}

/** One line for the output of the tests and of `npm run walk`. */
export function lineOf(name: RequestName, { files, functions }: PathLength): string {
  const limit = LIMITS[name]
  return `walk: ${name} ${files}/${functions} (at most ${limit.files}/${limit.functions})\n`
}
