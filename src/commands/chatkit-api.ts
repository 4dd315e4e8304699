// `npm run chatkit-api`: the embedded ChatKit API alone, for developing anything that talks to ChatKit.

import { readPort } from '../config/env.ts'
import { takeNoArguments } from '../config/no-arguments.ts'
import { type RunningChatKitApi, startChatKitApi } from '../embedded/chatkit-api/api.ts'
import { runUntilSignal } from './run-until-signal.ts'
import { USUAL_PORTS } from './usual-port.ts'

takeNoArguments('npm run chatkit-api; it takes no arguments, and listens on PORT (default: 8789)')
await runUntilSignal('chatkit-api', async () => async () => {
  const running = await startChatKitApi({ port: readPort(USUAL_PORTS.chatkit) })
  return { introduction: introduction(running), showRequests() {}, close: running.close }
})

function introduction({ url, origin }: RunningChatKitApi): string {
  return [
    'Embedded ChatKit API: memory only, everything is gone when it ends. Ctrl-C ends it.',
    `Base URL: ${url} (any key that starts with sk-)`,
    `Control:  POST ${origin}/_embedded/threads, PUT ${origin}/_embedded/faults`,
    `curl -s ${url}/chatkit/sessions -H 'Authorization: Bearer sk-local' -H 'OpenAI-Beta: chatkit_beta=v1' -H 'Content-Type: application/json' -d '{"user":"alice","workflow":{"id":"wf_local"}}'`,
    '',
  ].join('\n')
}
