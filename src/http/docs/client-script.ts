// Serves the browser helper as it is in the package, but without its comments.

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Handler } from 'hono'
import type { AppEnv } from '../context.ts'
import { type RouteDefinitions, textAnswer } from '../route-definition.ts'

export const CLIENT_SCRIPT_ROUTES = {
  clientScript: {
    method: 'GET',
    path: '/client.js',
    checks: [],
    summary: 'The browser helper',
    description:
      "An ES module for a page's `import`: `createGetClientSecret` and `createChatKitFetch`. " +
      'Cacheable for five minutes.',
    tag: 'operation',
    answers: [
      textAnswer('JavaScript.', 'text/javascript'),
      { status: 304, description: 'It is what `If-None-Match` names.' },
    ],
  },
} satisfies RouteDefinitions

const SOURCE = new URL('../../client/client.js', import.meta.url)

/** Matches whole lines only: the script has no comment beside code and no string of several lines (tested). */
const COMMENT_LINES = /^[ \t]*(?:\/\*\*.*?\*\/|\/\/[^\n]*)\n/gms

export function answerClientScript(): Handler<AppEnv> {
  const body = withoutComments(readFileSync(SOURCE, 'utf8'))
  const tag = `"${createHash('sha256').update(body).digest('base64url')}"`
  return (c) => {
    c.header('Cache-Control', 'public, max-age=300')
    c.header('Vary', 'Origin')
    c.header('ETag', tag)
    // Lets a page that asks for isolation (COEP) load it too.
    c.header('Cross-Origin-Resource-Policy', 'cross-origin')
    if (isKnown(c.req.header('If-None-Match'), tag)) return c.body(null, 304)
    c.header('Content-Type', 'text/javascript; charset=utf-8')
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
