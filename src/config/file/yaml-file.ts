// Reads YAML strictly, and remembers the line of each key.

import {
  type Document,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  type ParsedNode,
  parseAllDocuments,
  type Range,
  type Scalar,
  visit,
  type YAMLError,
} from 'yaml'
import type { Path } from './problems.ts'

type YamlDocument = Document.Parsed<ParsedNode>
type LineAt = (offset: number) => number

/** Largest config file in bytes: a real one has a few hundred lines. */
const MAX_BYTES = 256 * 1024

/** Most syntax problems that are reported. */
const MAX_PROBLEMS = 20

/** One problem of a YAML text, with its line. */
interface YamlProblem {
  readonly line: number
  /** The key that it belongs to, if that is known. */
  readonly path: Path
  readonly message: string
}

/** The data of a YAML text, with the lines of its keys. */
export interface YamlFile {
  readonly data: unknown
  /** Problems beside which the data can be read; absent when there are none. */
  readonly problems?: readonly YamlProblem[]
  /** The line of a key or list entry; for a missing one, the line of its closest existing parent. */
  lineOf(path: Path): number
}

/**
 * Reads one YAML 1.2 document (core schema). Refused: a second document, a repeated key, aliases (a few of them expand
 * to gigabytes), tags, other YAML versions, `__proto__` as a key, numbers that would be rounded.
 *
 * @returns the data, or the problems that make it unreadable; no message quotes the text, because it may hold a
 * misplaced secret
 */
export function readYaml(text: string): YamlFile | { readonly problems: readonly YamlProblem[] } {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    return { problems: [{ line: 1, path: [], message: `is larger than ${MAX_BYTES / 1024} KiB` }] }
  }
  const lineCounter = new LineCounter()
  const lineAt: LineAt = (offset) => Math.max(1, lineCounter.linePos(offset).line)
  const options = { lineCounter, prettyErrors: false, schema: 'core', version: '1.2' } as const
  const documents = parseAllDocuments(text, options)
  const document = documents[0]
  if (document === undefined || document.contents === null) {
    return {
      problems: [{ line: 1, path: [], message: 'is empty; start from config/chatkit-mint.yaml' }],
    }
  }
  const { problems, readable } = findProblems(documents, document, lineAt)
  if (!readable) return { problems }
  return {
    data: document.toJS(),
    lineOf: (path) => lineAt(offsetOf(document.contents, path)),
    ...(problems.length > 0 && { problems }),
  }
}

const FIRST_CHARACTER =
  'is not valid YAML: no value begins with such a character; put the whole value in single quotes'

const HINTS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'has a tab as indentation; use spaces instead',
  DUPLICATE_KEY: 'repeats a key of the same mapping; keep one of them',
  TAG_RESOLVE_FAILED: 'has a tag ("!…"); leave it out, or quote the text',
  RESOURCE_EXHAUSTION: 'is nested too deeply',
  UNEXPECTED_TOKEN:
    'is not valid YAML: something follows a complete value; put the whole expression in single quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'is not valid YAML: a second ": " in one value; put the whole expression in single quotes',
  BAD_SCALAR_START: FIRST_CHARACTER,
  BAD_ALIAS: FIRST_CHARACTER,
  MULTIPLE_ANCHORS: FIRST_CHARACTER,
}

const NO_PAIR =
  'is not valid YAML: a line without "key: value"; a space after ":" or the indentation is missing'
const OPEN_QUOTE = 'is not valid YAML: a quote opens here and is not closed'

const ROUNDED = 'is a number that cannot be kept exactly; put it in quotes'
const PADDED = `${ROUNDED}, or leave its first zeros out`
const SIGNED = `${ROUNDED}, or leave its plus sign out`
const ENDLESS = `${ROUNDED}, or write its digits`

/** Problems that leave the rest of the data as it was meant. */
const BESIDE_DATA = new Set([HINTS['DUPLICATE_KEY'], ROUNDED, PADDED, SIGNED, ENDLESS])

/**
 * All problems, one for each line: further problems of a line mostly follow from its first one. The data is
 * readable when every problem, those left out included, is one of {@link BESIDE_DATA}.
 */
function findProblems(
  documents: readonly YamlDocument[],
  first: YamlDocument,
  lineAt: LineAt,
): { readonly problems: YamlProblem[]; readonly readable: boolean } {
  const byLine = new Map<number, YamlProblem>()
  let readable = true
  const add = (offset: number, message: string): void => {
    readable &&= BESIDE_DATA.has(message)
    const line = lineAt(offset)
    if (byLine.has(line)) return
    byLine.set(line, { line, path: pathAt(first.contents, offset, lineAt), message })
  }
  for (const error of [...first.errors, ...first.warnings]) {
    const offset = error.pos[0]
    if (!isOpenQuote(error)) add(offset, explain(error))
    else add(offsetOf(first.contents, pathAt(first.contents, offset, lineAt)), OPEN_QUOTE)
  }
  if (first.directives.yaml.version !== '1.2') {
    add(0, 'asks for another YAML version; remove the %YAML line')
  }
  visit(first, {
    Alias: (_, node) => add(startOf(node), 'has an alias ("*name"); write the value out instead'),
    Pair: (_, { key }) => {
      if (!isScalar(key)) add(startOf(key), 'has a list or a mapping as its key; write a text')
      else if (key.value === '__proto__') add(startOf(key), 'is not a name to use')
    },
    Scalar: (_, node) => {
      const problem = numberProblem(node)
      if (problem !== undefined) add(startOf(node), problem)
    },
  })
  const second = documents[1]
  if (second !== undefined) {
    add(second.range[0], 'a second document begins here ("---"); a config file is one document')
  }
  const problems = [...byLine.values()]
    // Pieces of a value with wrong quotes read as keys without a name, which then seem repeated.
    .filter((one) => readable || one.message !== HINTS['DUPLICATE_KEY'] || one.path.at(-1) !== '')
    .sort((one, other) => one.line - other.line)
  // After a tab, the rest of the file is read with a wrong indentation.
  const tab = problems.findIndex(({ message }) => message === HINTS['TAB_AS_INDENT'])
  return { problems: problems.slice(0, tab < 0 ? MAX_PROBLEMS : tab + 1), readable }
}

/**
 * An account of 20 digits or a long fraction would be rounded, `0042` would lose its zeros, and `+4915112345678` its
 * sign.
 */
function numberProblem({ value, source = '' }: Scalar): string | undefined {
  if (typeof value !== 'number') return undefined
  if (!Number.isFinite(value)) return ENDLESS
  if (Math.abs(value) > Number.MAX_SAFE_INTEGER) return ROUNDED
  if (/^[-+]?0\d/.test(source)) return PADDED
  if (source.startsWith('+')) return SIGNED
  const isHexOrOctal = /^0[xo]/.test(source)
  return isHexOrOctal || digitsOf(source) === digitsOf(String(value)) ? undefined : ROUNDED
}

/** The digits of a decimal number, without sign, point, exponent and the zeros around them. */
function digitsOf(decimal: string): string {
  return decimal
    .replace(/e.*/i, '')
    .replace(/\D/g, '')
    .replace(/^0+|0+$/g, '')
}

/** The library finds an open quote where the text ends; the operator looks for its beginning. */
function isOpenQuote({ code, message }: YAMLError): boolean {
  return code === 'MISSING_CHAR' && message.startsWith('Missing closing')
}

/** The message without the part after its colon, in which the library quotes the text. */
function explain(error: YAMLError): string {
  if (error.message.startsWith('Implicit ')) return NO_PAIR
  return HINTS[error.code] ?? `is not valid YAML: ${error.message.split(':')[0]}`
}

/** The innermost key or list entry on whose lines an offset is. */
function pathAt(root: unknown, offset: number, lineAt: LineAt): (string | number)[] {
  const reaches = (node: unknown): boolean => lineAt(endOf(node)) >= lineAt(offset)
  if (isMap(root)) {
    const pair = root.items.findLast(({ key }) => startOf(key) <= offset)
    if (pair === undefined || !reaches(pair.value ?? pair.key)) return []
    return [keyText(pair.key), ...pathAt(pair.value, offset, lineAt)]
  }
  if (!isSeq(root)) return []
  const at = root.items.findLastIndex((item) => startOf(item) <= offset)
  return at < 0 || !reaches(root.items[at]) ? [] : [at, ...pathAt(root.items[at], offset, lineAt)]
}

function offsetOf(root: ParsedNode | null, path: Path): number {
  let node: unknown = root
  let offset = root?.range[0] ?? 0
  for (const step of path) {
    const next = enter(node, step)
    if (next === undefined) return offset
    node = next.node
    offset = next.offset
  }
  return offset
}

/** One step down the path: the value, and the offset of its key (in a list, of the value itself). */
function enter(
  node: unknown,
  step: string | number,
): { node: unknown; offset: number } | undefined {
  if (isSeq(node) && typeof step === 'number') {
    const item = node.items[step]
    return item === undefined ? undefined : { node: item, offset: startOf(item) }
  }
  if (!isMap(node)) return undefined
  const pair = node.items.find((candidate: Pair) => keyText(candidate.key) === String(step))
  return pair === undefined ? undefined : { node: pair.value, offset: startOf(pair.key) }
}

function keyText(key: unknown): string {
  return isScalar(key) ? String(key.value ?? '') : String(key)
}

function startOf(node: unknown): number {
  return rangeOf(node)?.[0] ?? 0
}

function endOf(node: unknown): number {
  return rangeOf(node)?.[1] ?? 0
}

function rangeOf(node: unknown): Range | null | undefined {
  return isNode(node) ? node.range : undefined
}
