#!/usr/bin/env node
// The command line (`npx chatkit-mint`). Plain JavaScript, so that a Node too old to run TypeScript
// can still say so: static imports run first, the TypeScript only after them.
import '../check-node.js'

await import('./cli/main.ts')
