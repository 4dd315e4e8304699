// Writes the API reference as Markdown, for programs and for people without a browser.

import type { OpenApi, Operation } from '../openapi/document.ts'
import type { Content } from '../openapi/responses.ts'
import type { JsonSchema } from '../openapi/schemas.ts'
import { type Described, operationsByTag, titleOf } from './reference.ts'

/** Has what the page `/docs/api` has, in the same order. */
export function referenceText({ info, paths, components }: OpenApi): string {
  const operations = [...operationsByTag(paths)].flatMap(([tag, described]) => [
    `## ${titleOf(tag)}`,
    ...described.flatMap(operationText),
  ])
  const objects = Object.entries(components.schemas).flatMap(([name, schema]) => [
    `### ${name}`,
    String(schema['description']),
    fenced(schema),
  ])
  const paragraphs = [
    '# API reference',
    `${info.description} The document itself: [openapi.json](../openapi.json).`,
    ...operations,
    '## Objects',
    ...objects,
  ]
  return `${paragraphs.join('\n\n')}\n`
}

function operationText({ path, method, described }: Described): string[] {
  const { summary, description, security, parameters, requestBody, responses } = described
  const { 'x-codeSamples': samples = [] } = described
  const credentials = security.flatMap(Object.keys).map((one) => `\`${one}\``)
  return [
    `### \`${method.toUpperCase()} ${path}\``,
    `${summary}.`,
    description,
    ...samples.map(({ lang, source }) => fenced(source, lang.toLowerCase())),
    `Credential: ${credentials.join(' or ') || 'none'}`,
    ...(parameters.length > 0 ? [parameterTable(parameters)] : []),
    ...(requestBody ? contentText('Body', requestBody.content) : []),
    ...Object.entries(responses).flatMap(([status, { description: meaning, content }]) => [
      `#### ${status}`,
      meaning,
      ...(content && status < '400' ? contentText('Answer', content) : []),
    ]),
  ]
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
