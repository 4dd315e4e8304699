// Writes sample code of a call in curl, JavaScript and Python from its definition. The samples need no
// packages: they use fetch and urllib. Tokens come from environment variables.

import { shellWord } from '../../lib/printable.ts'
import type { CodeSample, RouteDefinition, SecurityScheme } from '../route-definition.ts'
import { securityOf } from './operation.ts'

/** The environment variable that holds each credential. For a link, it holds the whole URL. */
const CREDENTIAL_VARIABLES = {
  userToken: 'USER_TOKEN',
  adminToken: 'ADMIN_TOKEN',
  clientSecret: 'CLIENT_SECRET',
  apiKey: 'OPENAI_API_KEY',
  /** As `id:secret`. */
  introspector: 'INTROSPECTION_CLIENT',
  uploadLink: 'UPLOAD_URL',
  fileLink: 'FILE_URL',
} as const satisfies Record<SecurityScheme, string>

/** The file that an upload sends. */
const UPLOADED = 'photo.png'

/**
 * A call, independent of the language. Credentials are the names of variables. At most one of `json` and `form` is
 * there; a PUT sends a file instead.
 */
interface Call {
  readonly method: string
  readonly url: string
  /** Variable with the URL, where a link is the credential. */
  readonly link?: string
  readonly bearer?: string
  readonly basic?: string
  readonly json?: object
  readonly form?: object
  readonly answer: 'json' | 'text' | 'bytes' | 'nothing'
}

/**
 * @param route - its path parameters and its body have examples
 * @param base - the service, without a trailing slash
 */
export function samplesOf(route: RouteDefinition, base: string): readonly CodeSample[] {
  const call: Call = {
    method: route.method,
    url: base + examplePath(route),
    ...credentialOf(route),
    ...bodyOf(route),
    answer: answerOf(route),
  }
  return [
    { lang: 'curl', source: curl(call) },
    { lang: 'JavaScript', source: javaScript(call) },
    { lang: 'Python', source: python(call) },
  ]
}

function examplePath({ path, pathParameters = {} }: RouteDefinition): string {
  return path.replace(/\{(\w+)\}/g, (_all, name: string) => {
    const { examples } = pathParameters[name]?.meta() ?? {}
    return encodeURIComponent(String(Array.isArray(examples) ? examples[0] : name))
  })
}

/** The first of the credentials that the route accepts. */
function credentialOf(route: RouteDefinition): Pick<Call, 'link' | 'bearer' | 'basic'> {
  const [scheme] = securityOf(route)
  if (scheme === undefined) return {}
  const variable = CREDENTIAL_VARIABLES[scheme]
  if (scheme === 'introspector') return { basic: variable }
  const isLink = scheme === 'fileLink' || scheme === 'uploadLink'
  return isLink ? { link: variable } : { bearer: variable }
}

/** An example without fields means that the call needs no body. */
function bodyOf({ requestBody }: RouteDefinition): Pick<Call, 'json' | 'form'> {
  const value = requestBody?.example
  if (typeof value !== 'object' || value === null || Object.keys(value).length === 0) return {}
  return requestBody?.mediaType === undefined ? { json: value } : { form: value }
}

function answerOf({ answers }: RouteDefinition): Call['answer'] {
  const [{ schema, mediaType = 'application/json' } = {}] = answers
  if (schema === undefined) return 'nothing'
  if (mediaType === 'application/json') return 'json'
  return /^text\/|(?:ndjson|jose|typescript)$/.test(mediaType) ? 'text' : 'bytes'
}

/** Leaves out the parts that are absent. */
function present(...parts: readonly (string | false | undefined)[]): readonly string[] {
  return parts.filter((part) => typeof part === 'string')
}

function curl({ method, url, link, bearer, basic, json, form, answer }: Call): string {
  const file = method === 'PUT'
  const implied = file ? 'PUT' : json || form ? 'POST' : 'GET'
  const fields = Object.entries(form ?? {}).map(([name, value]) => `${name}=${value}`)
  const words = present(
    link ? `"$${link}"` : shellWord(url),
    method !== implied && `-X ${method}`,
    basic && `--user "$${basic}"`,
    bearer && `-H "Authorization: Bearer $${bearer}"`,
    json && `-H 'Content-Type: application/json'`,
    json && `-d ${shellWord(literal(json, JSON_SPELLING))}`,
    ...fields.map((field) => `--data-urlencode ${shellWord(field)}`),
    file && `--upload-file ${UPLOADED}`,
    answer === 'bytes' && '--output answer',
  )
  return `curl ${words.join(' \\\n  ')}`
}

const PRINTED_IN_JAVASCRIPT = {
  json: 'await answer.json()',
  text: 'await answer.text()',
  bytes: '(await answer.bytes()).length',
  nothing: 'answer.status',
} as const

function javaScript({ method, url, link, bearer, basic, json, form, answer }: Call): string {
  const file = method === 'PUT'
  const headers = present(
    basic && `Authorization: \`Basic \${btoa(env.${basic})}\``,
    bearer && `Authorization: \`Bearer \${env.${bearer}}\``,
    json && `'Content-Type': 'application/json'`,
  )
  const options = present(
    method !== 'GET' && `method: '${method}'`,
    headers.length > 0 && `headers: { ${headers.join(', ')} }`,
    json && `body: JSON.stringify(${literal(json, JAVASCRIPT)})`,
    form && `body: new URLSearchParams(${literal(form, JAVASCRIPT)})`,
    file && `body: await readFile('${UPLOADED}')`,
  )
  const target = link ? `env.${link}` : `'${url}'`
  const init = options.length === 0 ? '' : `, {\n${options.map((one) => `  ${one},\n`).join('')}}`
  return present(
    file && `import { readFile } from 'node:fs/promises'`,
    (link || bearer || basic) && `import { env } from 'node:process'\n`,
    `const answer = await fetch(${target}${init})`,
    'if (!answer.ok) throw new Error(await answer.text())',
    `console.log(${PRINTED_IN_JAVASCRIPT[answer]})`,
  ).join('\n')
}

const PRINTED_IN_PYTHON = {
  json: 'json.load(answer)',
  text: 'answer.read().decode()',
  bytes: 'len(answer.read())',
  nothing: 'answer.status',
} as const

function python({ method, url, link, bearer, basic, json, form, answer }: Call): string {
  const file = method === 'PUT'
  const headers = present(
    basic && `"Authorization": "Basic " + b64encode(os.environb[b"${basic}"]).decode()`,
    bearer && `"Authorization": "Bearer " + os.environ["${bearer}"]`,
    json && '"Content-Type": "application/json"',
  )
  const parameters = present(
    link ? `os.environ["${link}"]` : `"${url}"`,
    method !== 'GET' && `method="${method}"`,
    headers.length > 0 && `headers={${headers.join(', ')}}`,
    json && `data=json.dumps(${literal(json, PYTHON)}).encode()`,
    form && `data=urlencode(${literal(form, PYTHON)}).encode()`,
    file && `data=open("${UPLOADED}", "rb").read()`,
  )
  const lines = `\n${parameters.map((one) => `    ${one},\n`).join('')}`
  return present(
    (json || answer === 'json') && 'import json',
    (link || bearer || basic) && 'import os',
    basic && 'from base64 import b64encode',
    form && 'from urllib.parse import urlencode',
    'from urllib.request import Request, urlopen\n',
    `request = Request(${parameters.length === 1 ? parameters[0] : lines})`,
    'with urlopen(request) as answer:',
    `    print(${PRINTED_IN_PYTHON[answer]})`,
  ).join('\n')
}

/** How a language writes objects, names of members, texts, and the words `true`, `false` and `null`. */
interface Spelling {
  readonly brackets: readonly [string, string]
  readonly name: (name: string) => string
  readonly text: (json: string) => string
  readonly words: Readonly<Record<string, string>>
}

const JSON_SPELLING: Spelling = {
  brackets: ['{', '}'],
  name: (name) => JSON.stringify(name),
  text: (json) => json,
  words: {},
}
const PYTHON = { ...JSON_SPELLING, words: { true: 'True', false: 'False', null: 'None' } }
const JAVASCRIPT: Spelling = {
  brackets: ['{ ', ' }'],
  name: (name) => (/^\w+$/.test(name) ? name : JSON.stringify(name)),
  text: (json) => (/['\\]/.test(json) ? json : `'${json.slice(1, -1)}'`),
  words: {},
}

/** A JSON value as a literal of the language. */
function literal(value: unknown, spelling: Spelling): string {
  if (Array.isArray(value)) return `[${value.map((one) => literal(one, spelling)).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(
      ([name, one]) => `${spelling.name(name)}: ${literal(one, spelling)}`,
    )
    const [begin, end] = spelling.brackets
    return `${begin}${fields.join(', ')}${end}`
  }
  const json = JSON.stringify(value)
  return typeof value === 'string' ? spelling.text(json) : (spelling.words[json] ?? json)
}
