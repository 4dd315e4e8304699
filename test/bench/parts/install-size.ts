import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import type { Report } from '../report/part.ts'
import { figure, table } from '../report/tables.ts'

const ROOT = resolve(import.meta.dirname, '../../..')

const lockFile = z.looseObject({
  packages: z.record(
    z.string(),
    z.looseObject({ dev: z.boolean().optional(), link: z.boolean().optional() }),
  ),
})

/** Measures the disk space after `npm ci --omit=dev`, from the lock file and the folders that it names. */
export function installSizePart(): Promise<Report> {
  const { packages } = lockFile.parse(
    JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')),
  )
  const needed = Object.entries(packages)
    .filter(([path, { dev }]) => path.startsWith('node_modules/') && dev !== true)
    .map(([path]) => ({ path, bytes: bytesIn(join(ROOT, path)) }))
    .filter(({ bytes }) => bytes > 0)
  const modules = needed.reduce((sum, { bytes }) => sum + bytes, 0)
  const source = bytesIn(join(ROOT, 'src'))
  const megabytes = (bytes: number) => figure(bytes / 1e6, 1)
  return Promise.resolve({
    title: 'Install size',
    how: 'Bytes in the files that `npm ci --omit=dev` installs, Node itself apart.',
    tables: [
      table(
        ['what', 'packages', 'MB'],
        [
          ['node_modules', String(needed.length), megabytes(modules)],
          ['src', '–', megabytes(source)],
          ['together', '–', megabytes(modules + source)],
        ],
      ),
    ],
    goals: [],
    figures: { packages: needed, modules, source },
  })
}

/** Nested packages are in the lock file themselves, so `node_modules` folders inside are left out. */
function bytesIn(folder: string): number {
  // Optional packages of other platforms are in the lock file and not on the disk.
  if (!existsSync(folder)) return 0
  const entries = readdirSync(folder, { withFileTypes: true })
  return entries.reduce((sum, entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'node_modules' ? sum : sum + bytesIn(path)
    return sum + lstatSync(path).size
  }, 0)
}
