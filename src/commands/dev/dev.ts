// `npm run dev`: runs the developer's own config with the embedded sign-in, on this machine only.

import { runUntilSignal } from '../run-until-signal.ts'
import { readOptions } from './options.ts'

const options = readOptions(process.argv.slice(2))
await runUntilSignal('dev', async () => {
  const { startDev } = await import('./start.ts')
  return () => startDev(options)
})
