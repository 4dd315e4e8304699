// Serves the files that the console's pages load.

import { readFileSync } from 'node:fs'
import type { AppContext } from '../http/context.ts'
import { ServiceError } from '../lib/errors.ts'

const TYPES: Readonly<Record<string, string>> = {
  'console.css': 'text/css; charset=UTF-8',
  'charts.js': 'text/javascript; charset=UTF-8',
  'icon.svg': 'image/svg+xml',
}

/** `GET /admin/assets/{name}`: all that the pages load; read once, at start. */
export function createAssets(): (c: AppContext) => Response {
  const files = new Map(
    Object.keys(TYPES).map((name) => [
      name,
      readFileSync(new URL(`assets/${name}`, import.meta.url), 'utf8'),
    ]),
  )
  return (c) => {
    const name = c.req.param('name') ?? ''
    const text = files.get(name)
    if (text === undefined) throw new ServiceError('not_found', { reason: 'no such asset' })
    return c.body(text, 200, { 'Content-Type': TYPES[name] ?? 'text/plain' })
  }
}
