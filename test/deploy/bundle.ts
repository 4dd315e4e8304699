import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '../..')
const SRC = join(ROOT, 'src')
/** Below `node_modules`, where the bundle finds the packages that are not part of it. */
const BUNDLES = join(ROOT, 'node_modules/.cache/test-bundles')
const HOUR_MS = 60 * 60 * 1000

/**
 * The bundle of the source as it is now. The first test that needs a bundle makes it, in about two seconds. After an
 * edit the next test makes another one.
 *
 * @param node - the Node that runs `src/commands/bundle.ts`
 * @returns a folder with the same files as `dist` of the image
 */
export function currentBundle(node: string): string {
  version ??= sourceVersion()
  const folder = join(BUNDLES, version)
  if (existsSync(folder)) return folder
  removeOld()
  // Several workers may build at the same time. Only a complete bundle gets the name.
  const unfinished = `${folder}-${process.pid}`
  execFileSync(node, ['src/commands/bundle.ts', unfinished], { cwd: ROOT, stdio: 'pipe' })
  try {
    renameSync(unfinished, folder)
  } catch (error) {
    if (!existsSync(folder)) throw error
    rmSync(unfinished, { recursive: true })
  }
  return folder
}

/** Looked up once in each worker: there are hundreds of files and of calls. */
let version: string | undefined

/** Differs after an edit of any file that can be part of the bundle. */
function sourceVersion(): string {
  const hash = createHash('sha256').update(process.version)
  for (const file of [
    '../package-lock.json',
    ...readdirSync(SRC, { recursive: true }).toSorted(),
  ]) {
    if (!/[jt]s(?:on)?$/.test(String(file))) continue
    const { size, mtimeMs } = statSync(join(SRC, String(file)))
    hash.update(`${file} ${size} ${mtimeMs}\n`)
  }
  return hash.digest('hex').slice(0, 16)
}

/** Removes bundles that are older than an hour. A younger one may be in use by another run. */
function removeOld(): void {
  mkdirSync(BUNDLES, { recursive: true })
  for (const name of readdirSync(BUNDLES)) {
    const folder = join(BUNDLES, name)
    if (Date.now() - statSync(folder).mtimeMs > HOUR_MS)
      rmSync(folder, { recursive: true, force: true })
  }
}
