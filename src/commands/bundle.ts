// `npm run bundle`: puts the service and its commands, each with the packages that it uses, into few files in `dist`.
// The image starts them: a start from hundreds of files takes some 70 % longer. A checkout needs none of it.

import { chmodSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SRC = join(ROOT, 'src/')

/** By folder of `dist`: entry files by their name there. */
const BUNDLES = {
  service: { main: 'src/main.ts' },
  commands: {
    'chatkit-mint': 'src/commands/chatkit-mint.js',
    'check-config': 'src/commands/check-config.ts',
  },
} as const

rmSync(join(ROOT, 'dist'), { recursive: true, force: true })
for (const [name, input] of Object.entries(BUNDLES)) {
  const dir = join(ROOT, 'dist', name)
  const bundle = await rolldown({
    cwd: ROOT,
    input,
    platform: 'node',
    // Whoever wants traces installs its packages beside (src/docs/deploy.md).
    external: [/^@opentelemetry\//],
    plugins: [keepAddresses(dir)],
  })
  // Without comments and white space, which take time to read, but with names, for stack traces.
  const minify = { compress: false, mangle: false, codegen: { removeWhitespace: true } } as const
  await bundle.write({ dir, format: 'esm', chunkFileNames: '[name].js', sourcemap: true, minify })
  await bundle.close()
}
chmodSync(join(ROOT, 'dist/commands/chatkit-mint.js'), 0o755)

/** What a module reads beside itself (pages, styles, the docs) stays in `src`: it goes on by its own address. */
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
