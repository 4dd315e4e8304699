// Serves the files that the console's pages load.

import { readFileSync } from 'node:fs'
import type { AppContext } from '../http/context.ts'
import { ServiceError } from '../lib/errors.ts'
import { icon, styleSheet } from '../lib/look/look.ts'

/** `GET /admin/assets/{name}`. The files are read once, at start. */
export function createAssets(): (c: AppContext) => Response {
  const files = new Map([
    ['console.css', { type: 'text/css', text: styleSheet(at('assets/console.css')) }],
    ['charts.js', { type: 'text/javascript', text: readFileSync(at('assets/charts.js'), 'utf8') }],
    ['pages.js', { type: 'text/javascript', text: readFileSync(at('assets/pages.js'), 'utf8') }],
    ['icon.svg', { type: 'image/svg+xml', text: icon() }],
  ])
  return (c) => {
    const file = files.get(c.req.param('name') ?? '')
    if (file === undefined) throw new ServiceError('not_found', { reason: 'no such asset' })
    return c.body(file.text, 200, { 'Content-Type': `${file.type}; charset=UTF-8` })
  }
}

function at(path: string): URL {
  return new URL(path, import.meta.url)
}
