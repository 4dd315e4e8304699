import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { loadConfig } from '../../src/config/file/load-config.ts'
import { startService } from '../support/running-service.ts'
import { forAllTests } from '../support/started.ts'
import { guideText, ROOT } from './samples.ts'

// Copies that the docs offer: files that are served unchanged, and the config of the start page.

const running = forAllTests(() => startService())

const get = (path: string) => fetch(running.url + path)
const FILES = [
  'chatkit-server.ts',
  'verify-chatkit-token.ts',
  'chatkit_server.py',
  'verify_chatkit_token.py',
]

describe.each(FILES)('/docs/files/%s', (name) => {
  test('is the file as it is, under its own name', async () => {
    const answer = await get(`/docs/files/${name}`)
    expect(await answer.text()).toBe(readFileSync(join(ROOT, 'src/docs', name), 'utf8'))
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; ?charset=utf-8$/i)
    expect(answer.headers.get('content-disposition')).toBe(`attachment; filename="${name}"`)
  })

  test('is linked to from the page that shows it, and the guide has its address for curl', async () => {
    const page = await (await get(`/docs/${name}`)).text()
    expect(page).toContain(`<a href="files/${name}" download>`)
    expect(guideText('move-to-self-hosted')).toContain(`/docs/files/${name}`)
  })
})

test.each(['nothing', 'errors.md', '..%2fchangelog.md', '__proto__', 'chatkit-server.ts%00'])(
  '/docs/files/%s is not there',
  async (name) => {
    const answer = await get(`/docs/files/${name}`)
    expect(answer.status).toBe(404)
    expect(await answer.json()).toMatchObject({ code: 'not_found' })
  },
)

test('the config of the start page passes the check once its placeholders are replaced', async () => {
  const page = await (await get('/docs')).text()
  const blocks = Array.from(page.matchAll(/<pre [^>]*><code>(.*?)<\/code>/gs), ([, block]) => block)
  const shown = blocks.find((block) => block?.includes('issuers')) ?? ''
  const text = shown
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
  expect(Object.keys(parse(text))).toEqual(['issuers', 'user', 'workflows', 'cors'])
  const real = text.replaceAll('acme.example', 'acme.test')
  const { settings } = loadConfig(real, { file: 'start', secrets: () => undefined })
  expect(settings.workflows).toHaveLength(1)
})
