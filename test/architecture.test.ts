import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

const ROOT = resolve(import.meta.dirname, '..')
const SRC = join(ROOT, 'src')

/** Steps of a request. None calls another; `administer`, `http` and `console` join them. */
const STEPS = ['authenticate', 'map', 'mint', 'revoke', 'respond']
/** Folders that steps use. None of them imports a step. */
const PARTS = ['chatkit', 'registry', 'config', 'client', 'threads', 'outbox']

/** Contracts of the parts, and what no adapter hides behind them: all that most folders may know of a part. */
const PORTS = [
  'chatkit/port.ts',
  'chatkit/wire',
  'chatkit/protocol',
  'chatkit/signing',
  'registry/port.ts',
  'registry/records.ts',
  'registry/owned-records.ts',
  'registry/known-users.ts',
  'registry/interval-figures.ts',
  'registry/identity.ts',
  'registry/audit.ts',
  'registry/audit-entry.ts',
  'config/settings.ts',
  'config/env.ts',
  'config/setup.ts',
]
const LEAVES = [...PORTS, 'lib']

/**
 * The directions of imports: files and folders that each folder of src (or file at its top) may import;
 * `http/*` means the files directly in `http`.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'main.ts': ['check-node.js', 'service.ts', 'config', 'http', ...LEAVES],
  'check-node.js': [],
  'service.ts': [
    ...['app.ts', 'upstreams.ts', 'http', 'console', 'gateway', 'administer'],
    ...[...STEPS, ...PARTS, 'lib'],
  ],
  // The half of the composition root that makes connections and ChatKit adapters.
  'upstreams.ts': ['chatkit', ...LEAVES],
  'app.ts': ['http', 'console', ...LEAVES],
  // The command line is started by npx, not by a script of package.json that could load the check.
  commands: [
    'check-node.js',
    'service.ts',
    'app.ts',
    'http',
    'administer',
    ...STEPS,
    ...PARTS,
    'embedded',
    'lib',
  ],
  http: ['administer', ...STEPS, 'threads', ...LEAVES],
  // Joins administer for admins in a browser, without a route of the API.
  console: ['http/*', 'http/telemetry/figures.ts', 'administer', ...STEPS, ...LEAVES],
  gateway: ['http', ...LEAVES],
  administer: [...STEPS, 'threads', 'outbox', ...LEAVES],
  authenticate: LEAVES,
  map: LEAVES,
  mint: ['outbox', ...LEAVES],
  revoke: ['outbox', ...LEAVES],
  respond: LEAVES,
  threads: LEAVES,
  outbox: LEAVES,
  chatkit: ['lib'],
  registry: ['lib'],
  config: ['lib'],
  embedded: ['http/backend', ...LEAVES],
  docs: [],
  client: [],
  // Its version is the one of package.json.
  lib: ['../package.json'],
}

/** Vendors that only these folders may name. */
const VENDORS: readonly { module: RegExp; folders: readonly string[] }[] = [
  { module: /^(?:commander|cli-progress|cli-table3|string-width)$/, folders: ['commands'] },
  {
    module: /^(?:hono|@hono\/.+)(?:\/|$)/,
    folders: ['app.ts', 'service.ts', 'http', 'console', 'gateway', 'embedded'],
  },
  {
    module: /^jose(?:\/|$)/,
    folders: ['authenticate', 'chatkit', 'console', 'gateway', 'docs', 'embedded'],
  },
  { module: /^openid-client$/, folders: ['authenticate', 'console', 'commands'] },
  { module: /^(?:marked$|@speed-highlight\/)/, folders: ['http'] },
  { module: /^@marcbachmann\/cel-js$/, folders: ['config'] },
  { module: /^(?:node:sqlite|redis)$/, folders: ['registry'] },
  { module: /^oidc-provider$/, folders: ['embedded'] },
  { module: /^@opentelemetry\//, folders: ['http'] },
]

interface Import {
  readonly from: string
  readonly to: string
}

/** A function whose first parameter is a destructured record: its name and the members. */
const DESTRUCTURED = /\bfunction (\w+)(?:<[^(]*>)?\(\s*\{([^{}]*)\}/g
/** A relative address beside `import.meta.url` or `import.meta.dirname`. */
const BESIDE_MODULE =
  /(?:new URL\(\s*|import\.meta\.dirname,\s*)['"](\.{1,2}[^'"]*)['"](?=\s*(?:,\s*import\.meta\.url)?\s*[,)])/g
/** Made by a run, or given from outside the repository. */
const MADE_LATER = /^(?:node_modules\/\.cache\/|\.\.\/shared\/)/

const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.(?:ts|js)$/.test(file))
  .map((file) => file.replaceAll('\\', '/'))

const IMPORT = /(?:^|[^\w.])(?:from\s*|import\s*\(?\s*)(['"])([^'"]+)\1/g

const imports: Import[] = files.flatMap((file) => {
  const text = sourceOf(file)
  return Array.from(text.matchAll(IMPORT), ([, , to]) => ({ from: file, to: to ?? '' }))
})

const ours = imports
  .filter(({ to }) => to.startsWith('.'))
  .map(({ from, to }) => ({ from, to: relative(SRC, resolve(SRC, dirname(from), to)) }))

function sourceOf(file: string): string {
  return readFileSync(join(SRC, file), 'utf8')
}

/** Where a pattern stands in src, as `file: text`; code for others to copy, in client/ and docs/, apart. */
function placesOf(pattern: RegExp): string[] {
  return files
    .flatMap((file) => Array.from(sourceOf(file).matchAll(pattern), ([text]) => `${file}: ${text}`))
    .filter((place) => !/^(?:client|docs)\//.test(place))
}

/** The composition root joins all parts, so it alone passes them on together. */
function notRoot(place: string): boolean {
  return !/^(?:service|app|upstreams)\.ts:/.test(place)
}

function folderOf(file: string): string {
  return file.split('/')[0] ?? file
}

function isAllowed({ from, to }: Import): boolean {
  const allowed = [folderOf(from), ...(MAY_IMPORT[folderOf(from)] ?? [])]
  return allowed.some(
    (path) => to === path || to.startsWith(`${path}/`) || path === `${dirname(to)}/*`,
  )
}

describe('directions of imports', () => {
  test('there are files and imports to look at', () => {
    expect(files.length).toBeGreaterThan(30)
    expect(ours.length).toBeGreaterThan(files.length)
  })

  test('every folder and top-level file of src stands in the table', () => {
    expect(Object.keys(MAY_IMPORT)).toEqual(
      expect.arrayContaining([...new Set(files.map(folderOf))]),
    )
  })

  test('every import of ours is one that the table allows', () => {
    const wrong = ours.filter((one) => !isAllowed(one)).map(({ from, to }) => `${from} -> ${to}`)
    expect(wrong).toEqual([])
  })

  test('the table itself lets no step import a step, and no part a step', () => {
    for (const folder of [...STEPS, ...PARTS, 'lib']) {
      const allowed = (MAY_IMPORT[folder] ?? []).map(folderOf)
      expect(allowed.filter((name) => name !== folder && STEPS.includes(name))).toEqual([])
    }
  })

  test('only the folders named for it import a vendor', () => {
    const wrong = imports
      .filter(({ to }) => !to.startsWith('.'))
      .filter(({ from, to }) =>
        VENDORS.some(({ module, folders }) => module.test(to) && !folders.includes(folderOf(from))),
      )
    expect(wrong).toEqual([])
  })

  test('every call goes out through lib/connections.ts, so that none misses the proxy', () => {
    const making =
      /import \{[^}]*\b(?:Agent|Client|Pool|ProxyAgent)\b[^}]*\} from 'undici'|from 'undici\/lib\/dispatcher/
    const code = files.filter((file) => !file.endsWith('.d.ts'))
    expect(code.filter((file) => making.test(sourceOf(file)))).toEqual(['lib/connections.ts'])
    const ownUse = /^(?:client|docs|embedded|commands\/demo|console\/assets|http\/docs\/assets)\//
    const fetching = files.filter((file) => /(?<![\w.])fetch\(/.test(sourceOf(file)))
    expect(fetching.filter((file) => !ownUse.test(file)).toSorted()).toEqual([
      // A parameter of that name.
      'chatkit/wire/pages.ts',
      'commands/cli/pages.ts',
      // With a dispatcher.
      'commands/cli/target/service-client.ts',
      'commands/cli/token-create.ts',
      // Text, for others to copy.
      'http/openapi/samples.ts',
    ])
  })

  test('nothing that main.ts reaches imports embedded/', () => {
    const reached = new Set(['main.ts'])
    for (const file of reached) {
      for (const { from, to } of ours) if (from === file) reached.add(to)
    }
    expect(reached.size).toBeGreaterThan(30)
    expect([...reached].filter((file) => file.startsWith('embedded/'))).toEqual([])
  })

  test('only config/env.ts reads process.env, and only entry points listen to the process', () => {
    const readers = files.filter((file) => sourceOf(file).includes('process.env'))
    expect(readers).toEqual(['config/env.ts'])
    const listeners = files.filter((file) => /process\.(?:on|once)\(/.test(sourceOf(file)))
    expect(listeners.filter((file) => file !== 'main.ts' && !file.startsWith('commands/'))).toEqual(
      [],
    )
  })
})

describe('sizes and names', () => {
  test.each(files)('%s has at most 250 lines and a name that says what it is', (file) => {
    const lines = sourceOf(file).split('\n').length - 1
    expect(lines).toBeLessThanOrEqual(250)
    expect(file).not.toMatch(
      /(?:^|\/)(?:utils?|helpers?|common|types?|managers?|index)\.(?:ts|js)$/,
    )
  })

  test('every file of src begins with a line that says what it is for', () => {
    const bare = files.filter((file) => !/^(?:#!.*\n)?\/\/ \S/.test(sourceOf(file)))
    // The browser helper's first comment is a JSDoc block, for its readers' editors.
    expect(bare.filter((file) => !file.startsWith('client/') && !file.endsWith('.d.ts'))).toEqual(
      [],
    )
  })

  test('a folder of src or test holds at most 20 TypeScript files', () => {
    const folders = globSync('{src,test}/**/*.ts', { cwd: ROOT }).map((file) => dirname(file))
    const counts = Map.groupBy(folders, (folder) => folder)
    const full = [...counts].filter(([, { length }]) => length > 20).map(([folder]) => folder)
    expect(full).toEqual([])
  })

  test('no two exported types have one name', () => {
    // Types of the browser helper are for pages: nothing of the service can confuse them with its own.
    const ours = files.filter((file) => !file.startsWith('client/'))
    const names = ours.flatMap((file) =>
      Array.from(sourceOf(file).matchAll(/^export (?:interface|type) (\w+)/gm), ([, name]) => name),
    )
    const twice = names.filter((name, position) => names.indexOf(name) !== position)
    expect(twice).toEqual([])
  })

  test('no file imports itself by way of others, types included', () => {
    const targets = Map.groupBy(ours, ({ from }) => from)
    const settled = new Set<string>()
    const circles: string[] = []
    const visit = (file: string, way: readonly string[]) => {
      if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file].join(' -> '))
      if (way.includes(file) || settled.has(file)) return
      for (const { to } of targets.get(file) ?? []) visit(to, [...way, file])
      settled.add(file)
    }
    for (const file of files) visit(file, [])
    expect(circles).toEqual([])
  })
})

describe('arguments of functions', () => {
  test('a record destructured in a signature has at most 8 members', () => {
    const wide = files.flatMap((file) =>
      Array.from(sourceOf(file).matchAll(DESTRUCTURED), ([, name = '', members = '']) => ({
        place: `${file}: ${name}`,
        members: members.split(',').filter((member) => member.trim() !== '').length,
      })),
    )
    expect(wide.length).toBeGreaterThan(30)
    expect(wide.filter(({ members }) => members > 8)).toEqual([])
  })

  test('a factory destructures its record in its signature', () => {
    expect(placesOf(/\bfunction create\w+\(\s*(?:options|deps|parts)\b/g).filter(notRoot)).toEqual(
      [],
    )
  })

  test('no type of options extends another', () => {
    expect(placesOf(/\binterface \w+(?:Options|Deps|Parts) extends\b/g)).toEqual([])
    expect(placesOf(/\btype \w+(?:Options|Deps|Parts) =[^\n]*&/g)).toEqual([])
  })

  test('only service.ts and app.ts spread a bag of dependencies', () => {
    const spread = placesOf(/\.\.\.(?:options|deps)\b/g)
    expect(spread.filter(notRoot)).toEqual([])
  })

  test('nothing takes the whole registry but what builds or opens it', () => {
    // In telemetry a `Registry` is the one of prom-client.
    const whole = placesOf(/\bregistry: Registry\b/g).filter(notRoot)
    expect(whole.filter((place) => !place.startsWith('http/telemetry/'))).toEqual([])
  })

  // V8 ignores `(?i:…)` in some alternatives, once the process has compiled many expressions and optimizes none.
  test('no regular expression has modifiers', () => {
    const modifiers = /\(\?(?:[ims]+(?:-[ims]+)?|-[ims]+):/
    const code = (file: string) => sourceOf(file).replace(/\/\*\*.*\*\//g, '')
    expect(files.filter((file) => modifiers.test(code(file)))).toEqual([])
  })

  test('nothing loads all of jose, which takes 5 % of a start', () => {
    expect(placesOf(/import (?!type )(?:\{[^}]*\}|[^'{}]+) from 'jose'/g)).toEqual([])
  })
})

describe('paths in texts', () => {
  const readText = (file: string) => readFileSync(join(ROOT, file), 'utf8')
  const unmatched = (globs: readonly string[]) =>
    globs.filter((glob) => globSync(glob, { cwd: ROOT }).length === 0)

  test("the vitest projects' globs each match a file", () => {
    const config = readText('test/vitest.config.ts')
    const globs = Array.from(config.matchAll(/'(test\/[^']+)'/g), ([, glob = '']) => glob)
    expect(globs.length).toBeGreaterThan(5)
    expect(unmatched(globs)).toEqual([])
  })

  test('what Dockerfile and .dockerignore name is there', () => {
    const copied = Array.from(
      readText('Dockerfile').matchAll(/^COPY (?!--from)(.+) \S+$/gm),
      ([, sources = '']) => sources.split(' '),
    ).flat()
    const bundled = Array.from(
      readText('src/commands/bundle.ts').matchAll(/'(src\/[^']+\.[jt]s)'/g),
      ([, entry = '']) => entry,
    )
    const ignored = readText('.dockerignore')
      .split('\n')
      .map((line) => line.replace(/^!/, ''))
    expect(copied.length).toBeGreaterThan(3)
    expect(bundled.length).toBeGreaterThan(2)
    expect(unmatched([...copied, ...bundled, ...ignored.filter((line) => line !== '')])).toEqual([])
  })

  test('what package.json names is there', () => {
    const { bin, knip, scripts } = JSON.parse(readText('package.json'))
    const started = Object.values<string>(scripts).flatMap(
      (script) => script.match(/(?:\.\/)?(?:src|test)\/[\w./-]+/g) ?? [],
    )
    const globs = [...knip.entry, ...started, ...Object.values<string>(bin)]
    expect(globs.length).toBeGreaterThan(10)
    // `npm run test:race` names files by their beginning.
    expect(unmatched(globs.map((glob) => `${glob}*`))).toEqual([])
  })

  test('addresses relative to a module lead to something', () => {
    const modules = globSync('{src,test}/**/*.{ts,js}', { cwd: ROOT })
    const addresses = modules.flatMap((file) =>
      Array.from(readText(file).matchAll(BESIDE_MODULE), ([, path = '']) =>
        join(dirname(file), path),
      ),
    )
    expect(addresses.length).toBeGreaterThan(15)
    const gone = addresses.filter((path) => !existsSync(join(ROOT, path)) && !MADE_LATER.test(path))
    expect(gone).toEqual([])
  })

  test('no path is taken from a URL with `pathname`, which has %20 for a space', () => {
    const modules = globSync('{src,test}/**/*.ts', { cwd: ROOT })
    expect(modules.filter((file) => /import\.meta\.url\)\.pathname/.test(readText(file)))).toEqual(
      [],
    )
  })
})
