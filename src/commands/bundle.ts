// `npm run bundle`: joins the service, its commands and the packages that they use into a few files in `dist`,
// which the image runs, or in the folder that an argument names. A start from hundreds of files takes about
// 70 % longer. A checkout runs without a bundle.

import { chmodSync, rmSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CodeSplittingOptions, type Plugin, rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SRC = join(ROOT, 'src/')
const TARGET = resolve(process.argv[2] ?? join(ROOT, 'dist'))

/** Entry files, by folder of the target and by their name there. */
const BUNDLES = {
  service: { main: 'src/main.ts' },
  commands: {
    'chatkit-mint': 'src/commands/chatkit-mint.js',
    'check-config': 'src/commands/check-config.ts',
  },
} as const

/**
 * The service starts from three files instead of some 30, which take longer to load. `main.ts` is a file of its own,
 * because files that are imported later import the other two.
 */
const FILES_OF_START: CodeSplittingOptions = {
  groups: [
    // pino asks V8 for the lines of its callers, and V8 reads their whole files for that.
    { name: 'log', test: join(SRC, 'lib/log.ts'), priority: 1 },
    { name: 'parts', tags: ['$initial'], test: (id) => id !== join(SRC, 'main.ts') },
  ],
}

rmSync(TARGET, { recursive: true, force: true })
for (const [name, input] of Object.entries(BUNDLES)) {
  const dir = join(TARGET, name)
  const bundle = await rolldown({
    cwd: ROOT,
    input,
    platform: 'node',
    // Operators who want traces install these packages beside the bundle (src/docs/deploy.md).
    external: [/^@opentelemetry\//],
    plugins: [keepAddresses(dir)],
  })
  // Comments and white space are removed, because they take time to read. Names stay, for stack traces.
  const minify = { compress: false, mangle: false, codegen: { removeWhitespace: true } } as const
  const codeSplitting = name !== 'service' || FILES_OF_START
  const files = { dir, chunkFileNames: '[name].js', codeSplitting }
  await bundle.write({ ...files, format: 'esm', sourcemap: true, minify })
  await bundle.close()
}
chmodSync(join(TARGET, 'commands/chatkit-mint.js'), 0o755)

/**
 * Files that a module reads (pages, styles, the docs) stay in `src`, so `import.meta.url` must keep the
 * module's own address.
 */
function keepAddresses(dir: string): Plugin {
  return {
    name: 'keep-addresses',
    transform(code, file) {
      if (!file.startsWith(SRC) || !code.includes('import.meta.url')) return null
      const address = JSON.stringify(relative(dir, file))
      const kept = `new URL(${address}, import.meta.url).href`
      return { code: code.replaceAll('import.meta.url', kept), map: null }
    },
  }
}
