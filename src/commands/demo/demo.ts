// `npm run demo`: the service, a sign-in and a ChatKit API, all on loopback, with lines to paste.

import { runUntilSignal } from '../run-until-signal.ts'

await runUntilSignal('demo', async () => (await import('./servers.ts')).startDemo)
