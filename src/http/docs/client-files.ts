// Serves the browser helper: the script without its comments, its types, and both as an npm package.

import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Handler } from 'hono'
import { z } from 'zod'
import type { AppEnv } from '../context.ts'
import {
  type Answer,
  type HandlersOf,
  type RouteDefinitions,
  textAnswer,
} from '../route-definition.ts'
import { PACKAGE_FILE, packClient } from './client-package.ts'

const UNCHANGED: Answer = {
  status: 304,
  description: 'Unchanged since the `ETag` in `If-None-Match`.',
}

const SHARED = { method: 'GET', checks: [], tag: 'operation' } as const

export const CLIENT_ROUTES = {
  clientScript: {
    ...SHARED,
    path: '/client.js',
    summary: 'The browser helper',
    description:
      "An ES module for a page's `import`: `createGetClientSecret` and `createChatKitFetch`. " +
      'Cacheable for five minutes.',
    answers: [textAnswer('JavaScript.', 'text/javascript'), UNCHANGED],
  },
  clientTypes: {
    ...SHARED,
    path: '/client.d.ts',
    summary: "The browser helper's types",
    description: 'For TypeScript, and for editors.',
    answers: [textAnswer('TypeScript declarations.', 'application/typescript'), UNCHANGED],
  },
  clientPackage: {
    ...SHARED,
    path: '/client.tgz',
    summary: 'The browser helper as an npm package',
    description:
      '`@chatkit-mint/client`, with the version of the service, types, and no dependencies: ' +
      '`npm install https://chat.example.com/client.tgz`. Equal bytes from every instance of one version. ' +
      'Cacheable for five minutes.',
    answers: [
      {
        status: 200,
        description: 'A gzipped tar archive.',
        mediaType: 'application/gzip',
        schema: z.string().meta({ format: 'binary' }),
      },
      UNCHANGED,
    ],
  },
} satisfies RouteDefinitions

/** Matches whole lines only: the script has no comment beside code and no string of several lines (tested). */
const COMMENT_LINES = /^[ \t]*(?:\/\*\*.*?\*\/|\/\/[^\n]*)\n/gms

/** Each file is made when it is first asked for, and kept. */
export function clientFiles(): HandlersOf<typeof CLIENT_ROUTES> {
  const script = () => withoutComments(read('client.js'))
  const types = () => read('client.d.ts')
  return {
    clientScript: answerFile({
      type: 'text/javascript; charset=utf-8',
      make: script,
      mayBeKept: true,
    }),
    clientTypes: answerFile({ type: 'application/typescript; charset=utf-8', make: types }),
    clientPackage: answerFile({
      type: 'application/gzip',
      make: () => packClient({ script: script(), types: types() }),
      saveAs: PACKAGE_FILE,
      mayBeKept: true,
    }),
  }
}

function read(file: 'client.js' | 'client.d.ts'): string {
  return readFileSync(new URL(`../../client/${file}`, import.meta.url), 'utf8')
}

interface ServedFile {
  readonly type: string
  readonly make: () => string | Buffer<ArrayBuffer>
  /** File name under which a browser saves it; absent when a browser may show it. */
  readonly saveAs?: string
  /**
   * Whether it may be used for five minutes without asking again. Pages load the script each time; npm notes the hash
   * of a package in the lock file only if it may keep it.
   */
  readonly mayBeKept?: boolean
}

function answerFile({ type, make, saveAs, mayBeKept = false }: ServedFile): Handler<AppEnv> {
  let body: string | Buffer<ArrayBuffer> | undefined
  let tag = ''
  return (c) => {
    if (body === undefined) {
      body = make()
      tag = `"${hash('sha256', body, 'base64url')}"`
    }
    if (mayBeKept) c.header('Cache-Control', 'public, max-age=300')
    c.header('Vary', 'Origin')
    c.header('ETag', tag)
    // Lets a page that asks for isolation (COEP) load it too.
    c.header('Cross-Origin-Resource-Policy', 'cross-origin')
    if (isKnown(c.req.header('If-None-Match'), tag)) return c.body(null, 304)
    c.header('Content-Type', type)
    if (saveAs !== undefined) c.header('Content-Disposition', `attachment; filename="${saveAs}"`)
    return c.body(body)
  }
}

/** @param source - a script whose comments all stand on lines of their own */
export function withoutComments(source: string): string {
  return source
    .replaceAll(COMMENT_LINES, '')
    .replaceAll(/\n{2,}/g, '\n')
    .trimStart()
}

/** Weak comparison (RFC 9110 §13.1.2): a proxy that compresses makes the tag a weak one. */
function isKnown(condition: string | undefined, tag: string): boolean {
  const tags = condition?.split(',').map((one) => one.trim().replace(/^W\//, '')) ?? []
  return tags.includes(tag) || tags.includes('*')
}
