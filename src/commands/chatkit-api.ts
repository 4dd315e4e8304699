// `npm run chatkit-api`: the embedded ChatKit API alone, for developing anything that talks to ChatKit.

import { readPort } from '../config/env.ts'
import { takeNoArguments } from '../config/no-arguments.ts'
import { type RunningChatKitApi, startChatKitApi } from '../embedded/chatkit-api/server.ts'
import { EXIT } from './cli/exit.ts'
import { USUAL_PORTS } from './usual-port.ts'

takeNoArguments('npm run chatkit-api; it takes no arguments, and listens on PORT (default: 8789)')
const port = portOrExit()
const running = await startOrExit(port)
process.stdout.write(banner(running))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void running.close().then(() => process.exit(0))
  })
}

function portOrExit(): number {
  try {
    return readPort(USUAL_PORTS.chatkit)
  } catch (error) {
    return fail(EXIT.config, messageOf(error))
  }
}

async function startOrExit(port: number): Promise<RunningChatKitApi> {
  try {
    return await startChatKitApi({ port })
  } catch (error) {
    const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE'
    const why = taken ? `port ${port} is taken; set PORT to another` : messageOf(error)
    return fail(EXIT.unavailable, why)
  }
}

function fail(code: number, why: string): never {
  process.stderr.write(`chatkit-api: ${why}\n`)
  process.exit(code)
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function banner({ url, origin }: RunningChatKitApi): string {
  return [
    'Embedded ChatKit API: memory only, everything is gone when it ends. Ctrl-C ends it.',
    `Base URL: ${url} (any key that starts with sk-)`,
    `Control:  POST ${origin}/_embedded/threads, PUT ${origin}/_embedded/faults`,
    `curl -s ${url}/chatkit/sessions -H 'Authorization: Bearer sk-local' -H 'OpenAI-Beta: chatkit_beta=v1' -H 'Content-Type: application/json' -d '{"user":"alice","workflow":{"id":"wf_local"}}'`,
    '',
  ].join('\n')
}
