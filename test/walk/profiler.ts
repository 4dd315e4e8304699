import { once } from 'node:events'
import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { ServiceProcess } from '../support/service-process.ts'

const SRC = resolve(import.meta.dirname, '../../src')

/** A function of src that ran. */
export interface Ran {
  /** Path below src. */
  readonly file: string
  /** Empty for an anonymous function. */
  readonly name: string
}

interface Coverage {
  readonly url: string
  readonly functions: readonly {
    readonly functionName: string
    readonly ranges: readonly { readonly count: number }[]
  }[]
}

/** Counts function calls in a service process over its inspector (V8 precise coverage). */
export interface Profiler {
  /** Functions that have run since this was last asked; the body of a module runs at its import only. */
  take(): Promise<readonly Ran[]>
  close(): Promise<void>
}

/** @param service - started with `--inspect=127.0.0.1:0` */
export async function connectProfiler(service: ServiceProcess): Promise<Profiler> {
  const url = await service.until(() => /ws:\/\/\S+/.exec(service.stderr())?.[0])
  const socket = new WebSocket(url)
  const opened = once(socket, 'open')
  const waiting = new Map<number, (result: { result?: readonly Coverage[] }) => void>()
  socket.addEventListener('message', ({ data }) => {
    const { id, result } = JSON.parse(String(data))
    waiting.get(id)?.(result)
    waiting.delete(id)
  })
  await opened
  let calls = 0
  const post = (method: string, params = {}) => {
    const id = ++calls
    socket.send(JSON.stringify({ id, method: `Profiler.${method}`, params }))
    return new Promise<{ result?: readonly Coverage[] }>((done) => waiting.set(id, done))
  }
  await post('enable')
  await post('startPreciseCoverage', { callCount: true, detailed: false })
  return {
    take: async () => ranIn((await post('takePreciseCoverage')).result ?? []),
    async close() {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    },
  }
}

function ranIn(scripts: readonly Coverage[]): readonly Ran[] {
  return scripts
    .filter(({ url }) => url.startsWith('file:'))
    .map(({ url, functions }) => ({ file: relative(SRC, fileURLToPath(url)), functions }))
    .filter(({ file }) => !file.startsWith('..'))
    .flatMap(({ file, functions }) =>
      functions
        .filter(({ ranges }) => (ranges[0]?.count ?? 0) > 0)
        .map(({ functionName: name }) => ({ file, name })),
    )
}
