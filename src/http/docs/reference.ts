// Writes the API reference from the OpenAPI document that clients get, as Markdown.

import type { OpenApi, Operation } from '../openapi/document.ts'
import type { Content } from '../openapi/responses.ts'
import type { JsonSchema } from '../openapi/schemas.ts'

/** An operation or an object. */
export interface Entry {
  readonly id: string
  /** Method and path, or the name of the object. */
  readonly name: string
  readonly summary: string
  /** Markdown. */
  readonly text: string
}

export interface Reference {
  readonly begin: string
  /** The entries of each chapter, by its title, in the order of the document. */
  readonly chapters: ReadonlyMap<string, readonly Entry[]>
}

export function makeReference({ info, paths, components }: OpenApi): Reference {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      title: titleOf(operation.tags[0] ?? 'other'),
      entry: operationEntry(`${method.toUpperCase()} ${path}`, operation),
    })),
  )
  const objects = Object.entries(components.schemas).map(([name, schema]) => ({
    title: 'Objects',
    entry: {
      id: `object-${name}`,
      name,
      summary: String(schema['description']),
      text: fenced(schema),
    },
  }))
  const chapters = new Map<string, Entry[]>()
  for (const { title, entry } of [...operations, ...objects]) {
    chapters.set(title, [...(chapters.get(title) ?? []), entry])
  }
  const begin = `# API reference\n\n${info.description} The document itself: [openapi.json](../openapi.json).`
  return { begin, chapters }
}

/** The whole reference, for programs and for people without a browser. */
export function referenceText({ begin, chapters }: Reference): string {
  const parts = Array.from(chapters, ([title, entries]) => [
    `## ${title}`,
    ...entries.map(({ name, summary, text }) => `### \`${name}\`\n\n${summary}\n\n${text}`),
  ])
  return `${[begin, ...parts.flat()].join('\n\n')}\n`
}

function titleOf(tag: string): string {
  const title = tag.slice(0, 1).toUpperCase() + tag.slice(1)
  return title.replace('Chatkit', 'ChatKit').replace(' api', ' API')
}

function operationEntry(name: string, operation: Operation): Entry {
  const { operationId, summary, description, security, parameters, requestBody } = operation
  const { 'x-codeSamples': samples = [], responses } = operation
  const credentials = security.flatMap(Object.keys).map((one) => `\`${one}\``)
  const paragraphs = [
    description,
    ...samples.flatMap(({ lang, source }) => [`#### ${lang}`, fenced(source, lang.toLowerCase())]),
    `Credential: ${credentials.join(' or ') || 'none'}`,
    ...(parameters.length > 0 ? [parameterTable(parameters)] : []),
    ...(requestBody ? contentText('Body', requestBody.content) : []),
    ...Object.entries(responses).flatMap(([status, { description: meaning, content }]) => [
      `#### ${status}`,
      meaning,
      ...(content && status < '400' ? contentText('Answer', content) : []),
    ]),
  ]
  return { id: operationId, name, summary, text: paragraphs.join('\n\n') }
}

function parameterTable(parameters: Operation['parameters']): string {
  const rows = parameters.map(({ name, in: place, required, description = '', schema }) => {
    const what = `${description} \`${JSON.stringify(schema)}\``.replaceAll('|', '\\|')
    return `| \`${name}\`${required ? ' (required)' : ''} | ${place} | ${what} |`
  })
  return ['| Parameter | In | What it is |', '|---|---|---|', ...rows].join('\n')
}

function contentText(title: string, content: Content): string[] {
  return Object.entries(content).flatMap(([mediaType, { schema, example }]) => [
    `${title}, \`${mediaType}\`: ${schemaText(schema)}`,
    ...(example === undefined ? [] : [fenced(example)]),
  ])
}

/** Names an object that has a section of its own, and gives any other schema whole. */
function schemaText(schema: JsonSchema): string {
  const { $ref } = schema
  return `\`${typeof $ref === 'string' ? $ref.split('/').at(-1) : JSON.stringify(schema)}\``
}

function fenced(value: unknown, language = 'json'): string {
  const isText = typeof value === 'string'
  const text = isText ? value.trimEnd() : JSON.stringify(value, null, 2)
  return `\`\`\`${isText && language === 'json' ? 'text' : language}\n${text}\n\`\`\``
}
