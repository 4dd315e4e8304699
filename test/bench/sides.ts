import { execFileSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import manifest from '../../package.json' with { type: 'json' }
import { commandOf } from '../deploy/dockerfile.ts'

const ROOT = resolve(import.meta.dirname, '../..')
/** Node's arguments in `npm start`, from any folder. */
const NPM_START = argumentsIn(ROOT, manifest.scripts.start.split(' '))
/** Entry points of the sides that are not ours. */
const LIMIT = fileURLToPath(new URL('./sides/limit.ts', import.meta.url))
const PLAIN_HONO = fileURLToPath(new URL('./sides/plain-hono.ts', import.meta.url))
const HONO_UNDICI = fileURLToPath(new URL('./sides/hono-undici.ts', import.meta.url))
const EXPRESS = fileURLToPath(new URL('./sides/express-openai.ts', import.meta.url))
const FASTAPI = fileURLToPath(new URL('./sides/fastapi_sample.py', import.meta.url))

/** Where our sides keep their sessions. */
export type StoreKind = 'memory' | 'sqlite' | 'redis'

/** A server that mints, to be measured. */
export interface Side {
  /** As `--sides` takes it. */
  readonly name: string
  /** As the tables show it. */
  readonly title: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** When it is ours. */
  readonly store: StoreKind | undefined
  /** Whether it verifies a token once. */
  readonly remembers: boolean
}

/** A side that this machine cannot run. */
export interface Missing {
  readonly name: string
  readonly why: string
}

const STORE_TITLES = { memory: 'memory', sqlite: 'SQLite', redis: 'Redis' } as const
/** With the system's interpreter first: that is where distributions put their packages. */
const PYTHONS = ['/usr/bin/python3', 'python3']
const PYTHON_MODULES = ['fastapi', 'uvicorn', 'jwt', 'cryptography', 'httpx']
/** Finds the modules that are named after it, without the second that it takes to load them. */
const FIND =
  'import sys, importlib.util as u; sys.exit(any(u.find_spec(m) is None for m in sys.argv[1:]))'

/**
 * The sides, those of ours right after the limits that they are compared with.
 *
 * @param wanted - whether there is a Redis; names of sides, all when empty
 */
export function findSides(wanted: { redis: boolean; only: readonly string[] }): {
  sides: readonly Side[]
  missing: readonly Missing[]
} {
  const isWanted = ({ name }: { name: string }) =>
    wanted.only.length === 0 || wanted.only.includes(name)
  const interpreter = python()
  const missing: Missing[] = []
  if (interpreter === undefined) {
    missing.push({ name: 'fastapi', why: `no Python with ${PYTHON_MODULES.join(', ')}` })
  }
  if (!wanted.redis) missing.push({ name: 'redis', why: 'no redis-server' })
  const absent = new Set(missing.map(({ name }) => name))
  const sides = allSides(interpreter ?? '').filter(({ name }) => !absent.has(name))
  return { sides: sides.filter(isWanted), missing: missing.filter(isWanted) }
}

function allSides(interpreter: string): readonly Side[] {
  const limit = node('limit', 'the limit: node:http, undici, verified token in a Map', LIMIT)
  return [
    { ...limit, env: { REMEMBER: 'yes' }, remembers: true },
    node('limit-jose', 'the limit, jose for each token', LIMIT),
    ours('memory'),
    ours('sqlite'),
    ours('redis'),
    node('hono', 'plain Hono, jose, global fetch', PLAIN_HONO),
    node('express', 'Express, official SDK, jose', EXPRESS),
    {
      name: 'fastapi',
      title: 'FastAPI as in the official sample, one HTTP client',
      command: [interpreter, FASTAPI],
      env: {},
      store: undefined,
      remembers: false,
    },
  ]
}

function node(name: string, title: string, file: string): Side {
  const command = [process.execPath, file]
  return { name, title, command, env: {}, store: undefined, remembers: false }
}

/** The least server of our libraries; only its start is measured. */
export const LEAST_START: Side = {
  ...node('hono-undici', 'plain Hono, jose, undici; compiled code kept as ours', HONO_UNDICI),
  command: [process.execPath, '--import', join(ROOT, 'src/check-node.js'), HONO_UNDICI],
}

/**
 * Ours as the image starts it; only its start is measured.
 *
 * @param app - folder in which the Dockerfile was carried out
 */
export function inImage(app: string): Side {
  return {
    ...ours('sqlite'),
    name: 'image',
    title: '**chatkit-mint**, SQLite, from the image',
    command: [process.execPath, ...argumentsIn(app, commandOf('CMD'))],
  }
}

/** Node's arguments in a command, with the paths of its files. */
function argumentsIn(root: string, words: readonly string[]): readonly string[] {
  const args = words.slice(words.indexOf('node') + 1)
  return args.map((word) => word.replace(/^(?:\.\/)?(?=(?:src|dist)\/)/, `${root}/`))
}

function ours(store: StoreKind): Side {
  return {
    name: store,
    title: `**chatkit-mint**, ${STORE_TITLES[store]}`,
    command: [process.execPath, ...NPM_START],
    env: {},
    store,
    remembers: true,
  }
}

function python(): string | undefined {
  return PYTHONS.find((command) => {
    try {
      // With no more of the environment than the side itself will get.
      const env = { PATH: process.env['PATH'] ?? '' }
      execFileSync(command, ['-c', FIND, ...PYTHON_MODULES], { env, stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}
