import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { delimiter, dirname, join, resolve } from 'node:path'
import { NODE } from '../support/service-process.ts'

// There is no container engine in CI: the steps of the Dockerfile are carried out in an empty folder.

const ROOT = resolve(import.meta.dirname, '../..')
export const DOCKERFILE = readFileSync(join(ROOT, 'Dockerfile'), 'utf8')
const ignored = readFileSync(join(ROOT, '.dockerignore'), 'utf8').split('\n').filter(Boolean)

/** `.dockerignore`, last match wins, for the directories that the Dockerfile copies. */
export function isInContext(file: string): boolean {
  return ignored.reduce((kept, line) => {
    const pattern = line.replace(/^!/, '')
    const matches =
      pattern === '*' ||
      file === pattern ||
      file.startsWith(`${pattern}/`) ||
      (pattern.endsWith('/*') && file.startsWith(pattern.slice(0, -1)))
    return matches ? line.startsWith('!') : kept
  }, true)
}

/** The words of a `CMD`; the health check's is indented. */
export function commandOf(line: 'CMD' | '  CMD'): string[] {
  const words = new RegExp(`^${line} (\\[.*\\])$`, 'm').exec(DOCKERFILE)?.[1]
  return JSON.parse(words ?? '[]')
}

/**
 * Carries out every COPY and RUN, each stage in a folder of its own. `npm ci` asks no registry here: it links what the
 * lock file names.
 *
 * @param folder - empty
 * @returns the root of the last stage, which holds `app`, `data` and `usr`
 */
export function carryOut(folder: string): string {
  let stage = ''
  const text = DOCKERFILE.replace(/^#.*\n/gm, '').replaceAll('\\\n', '')
  for (const [line, instruction = '', rest = ''] of text.matchAll(/^([A-Z]+) +(.*)$/gm)) {
    if (instruction === 'FROM') stage = join(folder, / AS (\w+)$/.exec(line)?.[1] ?? 'image')
    if (instruction === 'WORKDIR') {
      for (const path of [rest, '/usr/local/bin']) mkdirSync(join(stage, path), { recursive: true })
    }
    if (instruction === 'COPY') copy(rest.split(' '), { stage, folder })
    if (instruction === 'RUN') run(rest, stage)
  }
  return stage
}

function copy(
  words: readonly string[],
  { stage, folder }: { readonly stage: string; readonly folder: string },
): void {
  const from = /^--from=(\w+)$/.exec(words[0] ?? '')?.[1]
  const sources = words.slice(from === undefined ? 0 : 1, -1)
  const target = resolve(join(stage, 'app'), words.at(-1) ?? '')
  for (const source of sources) {
    if (from !== undefined) {
      cpSync(join(folder, from, source), target, { recursive: true, verbatimSymlinks: true })
      continue
    }
    for (const file of globSync([source, `${source}/**`], { cwd: ROOT }).filter(isInContext)) {
      if (statSync(join(ROOT, file)).isFile()) cpSync(join(ROOT, file), join(stage, 'app', file))
    }
  }
}

function run(command: string, stage: string): void {
  const app = join(stage, 'app')
  if (command.startsWith('npm ci')) {
    link(app, command.includes('--omit=dev'))
    return
  }
  const here = command
    .replace(/(?<=\s)\/(?=app\/|data\b|usr\/)/g, '"$STAGE"/')
    .replace('-o node -g node ', '')
  const path = [dirname(NODE), process.env['PATH']].join(delimiter)
  execFileSync('sh', ['-c', here], { cwd: app, env: { PATH: path, STAGE: stage }, stdio: 'pipe' })
}

function link(app: string, production: boolean): void {
  const lock = JSON.parse(readFileSync(join(app, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dev?: boolean }>
  }
  for (const [path, { dev = false }] of Object.entries(lock.packages)) {
    const unwanted = !path.startsWith('node_modules/') || (production && dev)
    const target = join(app, path)
    if (unwanted || existsSync(target) || !existsSync(join(ROOT, path))) continue
    mkdirSync(dirname(target), { recursive: true })
    symlinkSync(join(ROOT, path), target)
  }
}
