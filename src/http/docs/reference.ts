// Renders the API reference from the OpenAPI document that clients get.

import { html, raw } from 'hono/html'
import { CODES } from '../../respond/codes.ts'
import type { OpenApi, Operation } from '../openapi/document.ts'
import type { Content } from '../openapi/responses.ts'
import type { JsonSchema } from '../openapi/schemas.ts'
import { codeBlock } from './highlight.ts'
import type { Markup } from './layout.ts'

export function renderReference({ info, paths, components }: OpenApi): Markup {
  return html`<h1>API reference</h1>
    <p>${linked(info.description)} The document itself: <a href="../openapi.json">openapi.json</a>.</p>
    ${[...operationsByTag(paths)].map(
      ([tag, operations]) => html`${heading(`tag-${tag.replaceAll(' ', '-')}`, titleOf(tag))}
        ${operations.map(renderOperation)}`,
    )}
    ${heading('objects', 'Objects')}
    ${Object.entries(components.schemas).map(renderObject)}`
}

/** Operations by tag, in the order of the document. */
export function operationsByTag(paths: OpenApi['paths']): Map<string, Described[]> {
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({ path, method, described })),
  )
  return Map.groupBy(all, ({ described }) => described.tags[0] ?? 'other')
}

function heading(id: string, text: string): Markup {
  return html`<h2 id="${id}"><a class="anchor" href="#${id}">${text}</a></h2>`
}

function renderObject([name, schema]: readonly [string, JsonSchema]): Markup {
  return html`<details id="object-${name}" class="operation">
    <summary>
      <code>${name}</code>
      <span>${linked(String(schema['description']))}</span>
    </summary>
    ${block('Schema', schema)}
  </details>`
}

/** Heading of a tag. */
export function titleOf(tag: string): string {
  const title = tag.slice(0, 1).toUpperCase() + tag.slice(1)
  return title.replace('Chatkit', 'ChatKit').replace(' api', ' API')
}

export interface Described {
  readonly path: string
  readonly method: string
  readonly described: Operation
}

function renderOperation({ path, method, described }: Described): Markup {
  const { operationId, summary, description, security, parameters, requestBody } = described
  const { 'x-codeSamples': samples = [] } = described
  const credentials = security.flatMap(Object.keys)
  return html`<details id="${operationId}" class="operation">
    <summary>
      <code><b class="method ${method}">${method.toUpperCase()}</b> ${path}</code>
      <span>${summary}</span>
    </summary>
    <p>${linked(description)}</p>
    ${samples.map(
      ({ lang, source }) =>
        html`<h3>${lang}</h3>${raw(codeBlock(source, { language: lang, label: `${summary}, ${lang}` }))}`,
    )}
    <p>
      Credential:
      ${
        credentials.length === 0
          ? 'none'
          : credentials.map((one, at) => html`${at > 0 ? ' or ' : ''}<code>${one}</code>`)
      }
    </p>
    ${parameters.length > 0 ? renderParameters(parameters) : ''}
    ${requestBody ? renderContent('Body', requestBody.content) : ''}
    ${Object.entries(described.responses).map(
      ([status, { description: meaning, content: answer }]) => html`<h3>${status}</h3>
        ${meaning.split('\n\n').map((line) => html`<p class="answer">${linked(line)}</p>`)}
        ${answer && status < '400' ? renderContent('Answer', answer) : ''}`,
    )}
  </details>`
}

/** Text of the document: what is in backticks becomes code, and an error code of ours links to its guide. */
function linked(text: string): Markup {
  const parts = text.split('`').map((part, at) => {
    if (at % 2 === 0) return html`${part}`
    if (!Object.hasOwn(CODES, part)) return html`<code>${part}</code>`
    return html`<a href="errors#${part}"><code>${part}</code></a>`
  })
  return html`${parts}`
}

function renderParameters(parameters: Operation['parameters']): Markup {
  return html`<div class="scroll" tabindex="0" role="group" aria-label="Parameters">
    <table>
      <thead>
        <tr>
          <th scope="col">Parameter</th>
          <th scope="col">In</th>
          <th scope="col">What it is</th>
        </tr>
      </thead>
      <tbody>
        ${parameters.map(
          ({ name, in: place, required, description, schema }) => html`<tr>
            <td><code>${name}</code>${required ? ' (required)' : ''}</td>
            <td>${place}</td>
            <td>${linked(description ?? '')} <code>${JSON.stringify(schema)}</code></td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

function renderContent(title: string, content: Content): Markup {
  return html`${Object.entries(content).map(
    ([mediaType, { schema, example }]) => html`<h3>${title}, <code>${mediaType}</code></h3>
      ${example === undefined ? '' : block('Example', example)}
      ${renderSchema(schema)}`,
  )}`
}

function renderSchema(schema: JsonSchema): Markup {
  const { $ref } = schema
  if (typeof $ref === 'string') {
    const name = $ref.split('/').at(-1)
    return html`<p>An object: <a href="#object-${name}"><code>${name}</code></a></p>`
  }
  return html`<details>
    <summary>Schema</summary>
    ${block('Schema', schema)}
  </details>`
}

/** Without colours: they would double the size of the page, which is mostly schemas. */
function block(label: string, value: unknown): Markup {
  const text = typeof value === 'string' ? value : JSON.stringify(value, null, 2)
  return raw(codeBlock(text, { language: 'text', label }))
}
