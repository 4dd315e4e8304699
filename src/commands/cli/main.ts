// The process of the command line: streams, signals, exit code.

import { CommandError, EXIT } from './exit.ts'
import { runCli } from './program.ts'

const controller = new AbortController()

// Whoever reads us may stop at any time (`| head`). Commands learn it from what they write; without
// a listener it is a stack trace besides.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // Once: a second signal ends the process at once, as it would without us.
  process.once(signal, () => controller.abort(new CommandError(EXIT.interrupted, 'interrupted')))
}

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  variables: undefined,
  now: Date.now,
  signal: controller.signal,
})
