// Reads the guides as Markdown and the sample files, and writes the list of pages for programs.

import { readFileSync } from 'node:fs'
import { API, GUIDES } from './list.ts'

/** Files to copy, which the guides link to. */
const SAMPLES = [
  'chatkit_server.py',
  'chatkit-server.ts',
  'verify_chatkit_token.py',
  'verify-chatkit-token.ts',
]

const DOCS = new URL('../../docs/', import.meta.url)

/**
 * @param name - of a guide, as in the URL
 * @returns the guide with its Markdown; undefined when no guide has that name
 */
export function readGuide(name: string) {
  const guide = GUIDES.flatMap(({ guides }) => guides).find((one) => one.name === name)
  return guide && { ...guide, text: readFileSync(new URL(`${name}.md`, DOCS), 'utf8') }
}

/** @returns undefined when no file to copy has that name */
export function sampleText(name: string): string | undefined {
  return SAMPLES.includes(name) ? readFileSync(new URL(name, DOCS), 'utf8') : undefined
}

/** In the form of llmstxt.org. The links are relative, because a proxy may serve the docs below a path of its own. */
export function listForPrograms(): string {
  const sections = GUIDES.map(({ heading, guides }) => {
    const links = guides.map(({ name, title }) => `- [${title}](docs/${name}.md)`)
    return [`## ${heading}`, '', ...links, ''].join('\n')
  })
  return [
    '# chatkit-mint',
    '',
    "> Authenticates an app's users by their JWT and hands them client secrets for OpenAI's ChatKit. It stands in",
    '> front of self-hosted ChatKit servers, and revokes what it gave.',
    '',
    '## API',
    '',
    `- [${API.title}](docs/${API.name}.md)`,
    '- [Every call, as OpenAPI 3.1](openapi.json)',
    '- [Types of the browser helper](client.d.ts)',
    '',
    ...sections,
  ].join('\n')
}
