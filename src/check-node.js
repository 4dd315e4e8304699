// Plain JavaScript, so that a Node too old to run TypeScript can still say so. Loaded with --import
// before every entry point of package.json, and imported first by the service and the command line.

import module from 'node:module'
import { fileURLToPath } from 'node:url'

const OLDEST = [24, 11]

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
  process.stderr.write(
    `chatkit-mint needs Node ${OLDEST.join('.')} or newer; this is ${process.versions.node}.\n` +
      'Run "npm ci" (without --ignore-scripts and --omit=dev), which brings the right one, and start through the npm\n' +
      'scripts ("npm start", "npm run dev", "npm run demo") or "npx chatkit-mint": they use it by themselves.\n',
  )
  process.exit(78)
}

// A fresh clone has no packages yet. The bundle of the image has them inside.
if (process.argv[1]?.endsWith('.ts')) {
  try {
    import.meta.resolve('undici')
  } catch {
    process.stderr.write('chatkit-mint needs its packages; run "npm ci" first.\n')
    process.exit(69)
  }
}

// Compiled code is kept for the next start, which halves it. Beside the modules, because whoever may
// write it decides what runs: the directory for temporary files is everybody's. Where nothing can be
// written, or nothing has been, the start is merely slower.
module.enableCompileCache(
  fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)),
)

// An import of node:http reads each name that it exports, and three of them load Node's own undici: 30 ms of a start
// that uses ours alone (global-fetch.ts). Deleting them helps only before the entry point is linked, as with --import.
if (process.execArgv.includes('--import')) {
  const http = process.getBuiltinModule('node:http')
  for (const name of ['CloseEvent', 'MessageEvent', 'WebSocket']) Reflect.deleteProperty(http, name)
}
