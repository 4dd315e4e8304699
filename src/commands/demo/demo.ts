// `npm run demo`: the service, a sign-in and a ChatKit API, all on loopback, with lines to paste.

import { takeNoArguments } from '../../config/no-arguments.ts'
import { runUntilSignal } from '../run-until-signal.ts'

takeNoArguments(
  'npm run demo; it takes no arguments, and its service listens on PORT (default: 8787)',
)
await runUntilSignal('demo', async () => (await import('./servers.ts')).startDemo)
