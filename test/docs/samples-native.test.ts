import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { Language, type Node, Parser } from 'web-tree-sitter'
import { problemsOf } from '../../src/http/openapi/operation.ts'
import { ROUTES } from '../../src/http/route-table.ts'
import { CODES } from '../../src/respond/codes.ts'
import { sampleOf } from './samples.ts'

// npm has no compiler for these languages. So the samples are only parsed, and the calls and fields in them are
// compared with the API. Whether the calls of iOS, Android and Flutter exist is not checked here.

await Parser.init()
const parser = new Parser()
afterAll(() => parser.delete())

/** The lines that the language's grammar has no place for. */
async function faultsIn(language: string, text: string): Promise<readonly string[]> {
  const file = fileURLToPath(
    import.meta.resolve(`tree-sitter-wasms/out/tree-sitter-${language}.wasm`),
  )
  parser.setLanguage(await Language.load(file))
  const tree = parser.parse(text)
  if (tree === null) throw new Error('not parsed')
  const faults: string[] = []
  const look = (node: Node | null) => {
    if (node?.isError || node?.isMissing) faults.push(`${node.startPosition.row + 1}: ${node.text}`)
    else node?.children.forEach(look)
  }
  look(tree.rootNode)
  tree.delete()
  return faults
}

const mint = ROUTES.createSession

describe.each([
  { guide: 'ios-swift', language: 'swift', method: 'httpMethod = "POST"' },
  { guide: 'android-kotlin', language: 'kotlin', method: 'requestMethod = "POST"' },
  { guide: 'flutter', language: 'dart', method: 'http.post(' },
  { guide: 'react-native', language: 'tsx', method: "method: 'POST'" },
])('$guide', ({ guide, language, method }) => {
  const text = sampleOf(guide, language)

  test('parses (that its platform has these calls is not checked)', async () => {
    expect(await faultsIn(language, text)).toEqual([])
    const broken = text.replace('{', '{ ) {')
    expect((await faultsIn(language, broken)).length).toBeGreaterThan(0)
  })

  test('mints as the API has it: path, method, headers, field names', () => {
    expect(text).toContain(mint.path)
    expect(text).toContain(method)
    const lines = text.split('\n')
    const headers = [
      ['Authorization', 'Bearer '],
      ['Content-Type', 'application/json'],
    ] as const
    for (const [name, value] of headers) {
      expect(lines.filter((line) => line.includes(name) && line.includes(value))).toHaveLength(1)
    }
    const known = [...fieldsOf(mint.requestBody?.schema), ...fieldsOf(mint.answers[0]?.schema)]
    const used = text.match(/\b(?:current_)?client_secret\b|\bworkflow\b/g) ?? []
    expect(new Set(used)).toEqual(new Set(['current_client_secret', 'client_secret']))
    expect(known).toEqual(expect.arrayContaining(used))
  })

  test('waits for what passes by itself, and for nothing else', () => {
    const statuses = [...new Set(text.match(/\b[45]\d\d\b/g))].filter((one) => one !== '400')
    expect(statuses.toSorted()).toEqual(['429', '503'])
    const passing = problemsOf(mint).map((code) => CODES[code].status)
    for (const status of statuses) expect(passing).toContain(Number(status))
    expect(text).toMatch(/retry-after/i)
  })

  test('closes the chat of a blocked user, signs in again after every 401, and does nothing else', () => {
    expect(text).toMatch(
      /\bonRefused\((?:given\.code|refusal\.code|answer\.getString\("code"\)|code)\)/,
    )
    const refusals = problemsOf(mint).filter((code) => CODES[code].status === 401)
    const named = [...refusals, 'user_blocked'].filter((code) => text.includes(code))
    expect(named).toEqual([...refusals, 'user_blocked'])
    expect(refusals.length).toBeGreaterThan(1)
    expect(text).toMatch(/\bsignIn\(\)/)
    expect(text).toMatch(/\b(?:close\(\)|isBlocked = true|blocked = true|setBlocked\(true\))/)
  })

  test('takes a 200 without a client secret, which a proxy may send, for a refusal', () => {
    expect(text).toMatch(
      /body\.has\("client_secret"\)|secret is String|client_secret !== undefined|try JSONDecoder\(\)\.decode\(Minted/,
    )
  })

  test('has one call in flight at a time', () => {
    expect(text).toMatch(/\binFlight\b[^\n]*(?:\?\?=|\?\.takeIf|if let inFlight|\.value)/)
  })

  test('speaks to the page as the page has it', () => {
    const page = sampleOf('web-view-page', 'js')
    expect(text).toMatch(/clientSecretAnswer\(|reply\.postMessage\(/)
    for (const word of ['id', 'secret', 'code']) expect(text).toMatch(new RegExp(`\\b${word}\\b`))
    expect(page).toContain('({ id, secret, code })')
    expect(page).toContain('JSON.stringify({ id, current })')
  })
})

/** Names of an object schema's fields. */
function fieldsOf(schema: object | undefined): readonly string[] {
  return schema !== undefined && 'shape' in schema ? Object.keys(schema.shape as object) : []
}
