// `npm run dev`: one's own config with the embedded sign-in, on this machine alone.

import { runUntilSignal } from '../run-until-signal.ts'
import { readOptions } from './options.ts'

const options = readOptions(process.argv.slice(2))
await runUntilSignal('dev', async () => {
  const { startDev } = await import('./start.ts')
  return () => startDev(options)
})
