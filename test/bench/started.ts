import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface StartOptions {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** File descriptor that gets standard output. */
  readonly output: number
}

const running = new Set<ChildProcess>()

export type Started = ReturnType<typeof start>

/** Starts a process that ends with this run at the latest. */
export function start({ command, env, output }: StartOptions) {
  const [program = '', ...args] = command
  const child = spawn(program, args, {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', output, 'pipe'],
  })
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-2000)
  })
  running.add(child)
  const gone = once(child, 'exit').then(() => running.delete(child))
  return {
    pid: child.pid ?? 0,
    running: () => running.has(child),
    /** The end of its standard error. */
    complaint: () => complaint,
    /** SIGKILL, unless it has ended; settles when it is gone. */
    async end() {
      if (running.has(child)) child.kill('SIGKILL')
      await gone
    },
  }
}

/** Runs when this process ends, in whatever way. */
export function killStarted(): void {
  for (const child of running) child.kill('SIGKILL')
}
