// Reads `STORE_URL`: the kind of store, its address, and the number of replicas that must have a revoke before
// it answers.

import { z } from 'zod'
import { Secret } from '../lib/secret.ts'
import { NOT_IN_HOST, shellHint, UNFILLED } from './urls.ts'

/** The store of the registry. */
export type StoreLocation =
  | { readonly kind: 'memory' }
  | { readonly kind: 'sqlite'; readonly path: string }
  | RedisStore

/** The store as a text for operators: its file, but no address, which may have a password. */
export function nameOfStore(store: StoreLocation): string {
  return store.kind === 'sqlite' ? `sqlite:${store.path}` : store.kind
}

interface RedisStore {
  readonly kind: 'redis'
  /** Without a query. User and password are valid percent-encoding. */
  readonly url: Secret
  readonly cluster: boolean
  /** Number of replicas that must have a revoke before it answers; with 0 the primary is enough. */
  readonly replicas: number
}

/** No message quotes the value, because any part of it may belong to a password. */
const PROBLEMS = {
  scheme: 'must be memory:, sqlite:PATH, redis://HOST:PORT or rediss://HOST:PORT',
  url: 'must be redis://USER:PASSWORD@HOST:PORT/DATABASE; percent-encode what is special in user and password (/ is %2F, ? is %3F, # is %23, % is %25)',
  query:
    'takes cluster=true and replicas=N (1 to 99) after the ?, each once and nothing else; a ? in a password is %3F',
  file: 'takes the path as it is: sqlite:data/mint.db, or sqlite:/var/lib/mint.db from the root; without a file, memory:',
  redisOnly: 'cluster and replicas are for redis:// and rediss:// alone',
  database: 'a cluster has no numbered databases; leave the number out',
}

/** Turns the text of `STORE_URL` into a {@link StoreLocation}. */
export const storeUrl = z
  .string()
  .default('sqlite:data/chatkit-mint.db')
  .transform((text, context): StoreLocation => {
    const found = parse(text)
    if (typeof found === 'object') return found
    context.addIssue(`${PROBLEMS[found]}${shellHint(text)}`)
    return z.NEVER
  })

function parse(text: string): StoreLocation | keyof typeof PROBLEMS {
  if (/^rediss?:\/\//.test(text)) return parseRedis(text)
  if (/^(?:memory|sqlite):.*\?(?:cluster|replicas)=/.test(text)) return 'redisOnly'
  if (text === 'memory:') return { kind: 'memory' }
  const path = /^sqlite:(?<path>.+)$/s.exec(text)?.groups?.['path']
  if (path === undefined) return 'scheme'
  // SQLite itself reads these as no file or as a URI; `//data` may be meant to begin here or at the root.
  const isPath = !/^(?::memory:|file:|\/\/[^/])/.test(path) && !UNFILLED.test(path)
  return isPath ? { kind: 'sqlite', path } : 'file'
}

function parseRedis(text: string): RedisStore | keyof typeof PROBLEMS {
  const url = URL.parse(text)
  if (
    !url?.hostname ||
    NOT_IN_HOST.test(url.host) ||
    url.hash ||
    !/^\/?\d*$/.test(url.pathname) ||
    !isDecodable(url)
  ) {
    return 'url'
  }
  const query = querySchema.safeParse(Object.fromEntries(url.searchParams))
  const isRepeated = new Set(url.searchParams.keys()).size < url.searchParams.size
  if (!query.success || isRepeated) return 'query'
  if (query.data.cluster && Number(url.pathname.slice(1)) > 0) return 'database'
  url.search = ''
  return { kind: 'redis', url: new Secret(url.href), ...query.data }
}

const querySchema = z.strictObject({
  cluster: z
    .enum(['true', 'false'])
    .default('false')
    .transform((value) => value === 'true'),
  replicas: z
    .string()
    .regex(/^[1-9]\d?$/)
    .default('0')
    .transform(Number),
})

/** The Redis client decodes user and password, and throws if it cannot. */
function isDecodable({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password)
    return true
  } catch {
    return false
  }
}
