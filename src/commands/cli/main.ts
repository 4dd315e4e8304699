// The process of the command line: streams, signals, exit code.

import { systemCode } from '../../lib/errors.ts'
import { CommandError, EXIT } from './exit.ts'
import { runCli } from './program.ts'

const controller = new AbortController()

// The reader of our output may stop at any time (`| head`). Commands notice that when they write. Without a
// listener, Node would print a stack trace as well.
let unwritten = false
process.stdout.on('error', (error) => {
  unwritten ||= systemCode(error) !== 'EPIPE'
})
process.stderr.on('error', () => {})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Handled once: a second signal ends the process immediately, as Node does by default.
  process.once(signal, () => controller.abort(new CommandError(EXIT.interrupted, 'interrupted')))
}

const exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  variables: undefined,
  now: Date.now,
  signal: controller.signal,
})

// Commander prints help and version without waiting, so a full disk shows only in the event.
process.on('exit', () => {
  process.exitCode = exitCode === EXIT.ok && unwritten ? EXIT.ioError : exitCode
})
