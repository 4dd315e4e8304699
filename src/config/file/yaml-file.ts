// Reads YAML strictly, and knows on which line each key stands.

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

/** A config file is a few hundred lines; anything larger is not one. */
const MAX_BYTES = 256 * 1024

/** More than this many syntax problems are one problem. */
const MAX_PROBLEMS = 20

/** One thing that keeps a text from being read, by line. */
export interface YamlProblem {
  readonly line: number
  /** The key it belongs to, as far as that can be told. */
  readonly path: Path
  readonly message: string
}

/** A YAML text as data, which remembers the lines. */
export interface YamlFile {
  readonly data: unknown
  /** Line of a path's key or list entry; of the closest parent that exists, for what is missing. */
  lineOf(path: Path): number
}

/**
 * Reads one YAML 1.2 document (core schema). Refused: a second document, a repeated key, aliases (a
 * few of them expand to gigabytes), tags, other YAML versions, `__proto__` as a key, numbers that would
 * be rounded.
 *
 * @param text - the file's content
 * @returns the data, or what is wrong; no message quotes the text, which may hold a misplaced secret
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
  const problems = findProblems(documents, document, lineAt)
  if (problems.length > 0) return { problems }
  return {
    data: document.toJS(),
    lineOf: (path) => lineAt(offsetOf(document.contents, path)),
  }
}

const HINTS: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'has a tab as indentation; use spaces instead',
  DUPLICATE_KEY: 'repeats a key of the same mapping; keep one of them',
  TAG_RESOLVE_FAILED: 'has a tag ("!…"); leave it out, or quote the text',
  RESOURCE_EXHAUSTION: 'is nested too deeply',
  UNEXPECTED_TOKEN:
    'is not valid YAML: something follows a complete value; put the whole expression in single quotes',
  BLOCK_AS_IMPLICIT_KEY:
    'is not valid YAML: a second ": " in one value; put the whole expression in single quotes',
}

/** Everything that is wrong, one problem a line: what follows on the same line is mostly an echo. */
function findProblems(
  documents: readonly YamlDocument[],
  first: YamlDocument,
  lineAt: LineAt,
): YamlProblem[] {
  const byLine = new Map<number, YamlProblem>()
  const add = (offset: number, message: string): void => {
    const line = lineAt(offset)
    if (byLine.has(line)) return
    byLine.set(line, { line, path: pathAt(first.contents, offset, lineAt), message })
  }
  for (const error of [...first.errors, ...first.warnings]) add(error.pos[0], explain(error))
  if (first.directives.yaml.explicit && first.directives.yaml.version !== '1.2') {
    add(0, 'asks for another YAML version; remove the %YAML line')
  }
  visit(first, {
    Alias: (_, node) => add(startOf(node), 'has an alias ("*name"); write the value out instead'),
    Pair: (_, { key }) => {
      if (isScalar(key) && key.value === '__proto__') add(startOf(key), 'is not a name to use')
    },
    Scalar: (_, node) => {
      if (!isExact(node)) {
        add(startOf(node), 'is a number that cannot be kept exactly; put it in quotes')
      }
    },
  })
  const second = documents[1]
  if (second !== undefined) {
    add(second.range[0], 'a second document begins here ("---"); a config file is one document')
  }
  const problems = [...byLine.values()].sort((one, other) => one.line - other.line)
  // Behind a tab the rest of the file is read with a wrong indentation.
  const tab = problems.findIndex(({ message }) => message === HINTS['TAB_AS_INDENT'])
  return problems.slice(0, tab < 0 ? MAX_PROBLEMS : tab + 1)
}

/** An account of 20 digits, or `0042`, would become another one: beyond 2^53 a number is rounded. */
function isExact({ value, source = '' }: Scalar): boolean {
  if (typeof value !== 'number') return true
  return Math.abs(value) <= Number.MAX_SAFE_INTEGER && !/^[-+]?0\d/.test(source)
}

/** The library quotes the text only after a colon. */
function explain(error: YAMLError): string {
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

/** One step down: the value there, and where its key (or, in a list, the value itself) begins. */
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
