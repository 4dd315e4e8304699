// `npm run demo`: the service, a sign-in and a ChatKit API, all on loopback, with lines to paste.

import { EXIT } from '../cli/exit.ts'
import type { Demo } from './servers.ts'

const { startDemo } = await importOrExit()
const demo = await startOrExit()
process.stdout.write(demo.introduction)
demo.showRequests()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => void stop(demo))
}

/** The sign-in is a development dependency: the one thing that a production install lacks. */
async function importOrExit(): Promise<typeof import('./servers.ts')> {
  try {
    return await import('./servers.ts')
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error
    return fail(EXIT.unavailable, 'needs the development dependencies; run "npm ci" first')
  }
}

async function startOrExit(): Promise<Demo> {
  try {
    return await startDemo()
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    if (error instanceof Error && error.name === 'EnvironmentError')
      return fail(EXIT.config, message)
    if (codeOf(error) === undefined) return fail(EXIT.software, message)
    return fail(EXIT.unavailable, `${message}; it needs to listen on loopback addresses`)
  }
}

async function stop(running: Demo): Promise<void> {
  await running.close()
  process.exit(0)
}

function fail(code: number, why: string): never {
  process.stderr.write(`demo: ${why}\n`)
  process.exit(code)
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined
}
