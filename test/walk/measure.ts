import { setTimeout } from 'node:timers/promises'
import { connectProfiler, type Ran } from './profiler.ts'
import { type RequestName, startScene } from './scene.ts'

/** The files and functions of src that one request runs. */
export interface PathLength {
  readonly files: number
  readonly functions: number
}

/**
 * The longest that each path may be. The first bounds were 57/190, 35/100, 46/145 and 38/125. A mint keeps its own;
 * a revoke and a list keep theirs for functions, but not for files. Features made the paths longer: a mint reads
 * named choices of its issuer and takes one of three lanes; claims named like members of objects are looked for; an
 * admin's standing is read on each call; reads are counted, and their memory is bounded; a stream checks whose
 * threads its events name, links files, and has bounded memory. The audit has a queue that keeps its chain, the
 * store records users for the search, and the log goes on when its disk is full. Speed made them longer too: mints
 * begin in turns, the load is judged by the waits of store and mints as well, one connection commits with and
 * without waiting for the disk, chunks of whole frames pass uncut, a stream is written in chunks of our own, and a
 * widget gets its links in its text.
 */
export const LIMITS: Readonly<Record<RequestName, PathLength>> = {
  mint: { files: 56, functions: 188 },
  'admin-revoke': { files: 37, functions: 96 },
  'own-threads': { files: 46, functions: 138 },
  'gateway-stream': { files: 42, functions: 182 },
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

/** One line for whoever reads the output of the tests or of `npm run walk`. */
export function lineOf(name: RequestName, { files, functions }: PathLength): string {
  const limit = LIMITS[name]
  return `walk: ${name} ${files}/${functions} (at most ${limit.files}/${limit.functions})\n`
}
