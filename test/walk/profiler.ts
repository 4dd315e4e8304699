import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Debugger, Profiler } from 'node:inspector'
import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServiceProcess } from '../support/service-process.ts'

const SRC = resolve(import.meta.dirname, '../../src')

/** A function of src that ran. */
export interface Ran {
  /** Path below src. */
  readonly file: string
  /** An anonymous function is named by its line. */
  readonly name: string
  readonly location: Debugger.Location
}

type Answer = Partial<Profiler.TakePreciseCoverageReturnType & Debugger.SetBreakpointReturnType>

/** Looks into a service process, started with `--inspect=127.0.0.1:0`, through its inspector. */
export async function connectProfiler(service: ServiceProcess) {
  const url = await service.until(() => /ws:\/\/\S+/.exec(service.stderr())?.[0])
  const socket = new WebSocket(url)
  await once(socket, 'open')
  const waiting = new Map<number, (answer: Answer) => void>()
  let onPaused = (_breakpoints: readonly string[]) => {}
  socket.addEventListener('message', ({ data }) => {
    const { id, result, method, params } = JSON.parse(String(data))
    waiting.get(id)?.(result)
    waiting.delete(id)
    if (method === 'Debugger.paused') onPaused(params.hitBreakpoints)
  })
  let calls = 0
  const post = (method: string, params = {}) => {
    const id = ++calls
    socket.send(JSON.stringify({ id, method, params }))
    return new Promise<Answer>((done) => waiting.set(id, done))
  }
  await post('Profiler.enable')
  await post('Profiler.startPreciseCoverage', { callCount: true, detailed: false })
  return {
    /** Functions that have run since this was last asked; the body of a module runs at its import only. */
    take: async () => ranIn((await post('Profiler.takePreciseCoverage')).result ?? []),
    /**
     * Sorts functions by when `call` comes to them. Slow, because each function pauses once. The few that cannot
     * pause (`() => f()`) come last. Later results of `take` are not exact.
     */
    async inOrder(path: readonly Ran[], call: () => Promise<void>): Promise<readonly Ran[]> {
      const functions = new Map<string | undefined, Ran>()
      const order = new Set<Ran | undefined>()
      onPaused = (breakpoints) => {
        for (const breakpointId of breakpoints) {
          order.add(functions.get(breakpointId))
          void post('Debugger.removeBreakpoint', { breakpointId })
        }
        void post('Debugger.resume')
      }
      await post('Debugger.enable')
      for (const ran of path) {
        const { breakpointId } = await post('Debugger.setBreakpoint', { location: ran.location })
        functions.set(breakpointId, ran)
      }
      await call()
      await post('Debugger.disable')
      return [...order.union(new Set(path))].filter((ran) => ran !== undefined)
    },
    close: () => socket.close(),
  }
}

function ranIn(scripts: readonly Profiler.ScriptCoverage[]): readonly Ran[] {
  return scripts
    .filter(({ url }) => url.startsWith('file:') && fileURLToPath(url).startsWith(SRC))
    .flatMap(({ url, scriptId, functions }) => {
      const path = fileURLToPath(url)
      const text = readFileSync(path, 'utf8')
      return functions.flatMap(({ functionName, ranges: [range] }) => {
        if (range === undefined || range.count === 0) return []
        const lines = text.slice(0, range.startOffset).split('\n')
        const location = {
          scriptId,
          lineNumber: lines.length - 1,
          columnNumber: lines.at(-1)?.length ?? 0,
        }
        return { file: relative(SRC, path), name: functionName || `line ${lines.length}`, location }
      })
    })
}
