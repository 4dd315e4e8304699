#!/usr/bin/env node
// The command line (`npx chatkit-mint`). It is plain JavaScript, so that a Node too old for TypeScript still
// prints what to do: the static import below runs before any TypeScript is loaded.
import '../check-node.js'

await import('./cli/main.ts').catch((error) => {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error
  process.stderr.write('chatkit-mint needs its packages; run "npm ci" first.\n')
  process.exit(69)
})
