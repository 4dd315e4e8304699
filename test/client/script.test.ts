import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { minify } from 'terser'
import { expect, test } from 'vitest'
import { withoutComments } from '../../src/http/docs/client-files.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const source = readFileSync(join(ROOT, 'src/client/client.js'), 'utf8')
const served = withoutComments(source)

/** The code as a parser reads it, in a form of its own; `comments` keeps those as well. */
async function parsed(code: string, comments: boolean): Promise<string> {
  const format = { beautify: true, comments }
  const { code: read } = await minify(code, {
    module: true,
    compress: false,
    mangle: false,
    ecma: 2020,
    format,
  })
  return read ?? ''
}

test('what is served is the same program, without a comment', async () => {
  expect(await parsed(served, false)).toBe(await parsed(source, false))
  expect(await parsed(served, true)).toBe(await parsed(served, false))
  expect(await parsed(source, true)).not.toBe(await parsed(source, false))
})

test('that comparison notices when text in a string is taken for a comment', async () => {
  const tricky = 'const a = `\n// text\n`\nconst b = "https://x"\nexport { a, b }\n'
  expect(await parsed(withoutComments(tricky), false)).not.toBe(await parsed(tricky, false))
})

test('the script has less than 2.4 kB when it is compressed', () => {
  expect(gzipSync(served).length).toBeLessThan(2400)
  expect(brotliCompressSync(served).length).toBeLessThan(2400)
})

test('the script loads nothing, and keeps nothing where others could read it', () => {
  expect(served).not.toMatch(/\bimport\b|\bstorage\b|cookie|indexedDB|caches|window|document/i)
})

test('the types of the script are those of its JSDoc, as `npm run write-client-types` writes them', () => {
  const folder = mkdtempSync(join(tmpdir(), 'client-types-'))
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  const command = scripts['write-client-types'].split(' ').slice(1)
  try {
    const tsc = join(ROOT, 'node_modules/.bin/tsc')
    execFileSync(tsc, [...command, '--singleThreaded', '--outDir', folder], { cwd: ROOT })
    const fresh = readFileSync(join(folder, 'client.d.ts'), 'utf8')
    expect(readFileSync(join(ROOT, 'src/client/client.d.ts'), 'utf8')).toBe(fresh)
  } finally {
    rmSync(folder, { recursive: true })
  }
})
