// The types of a config file's problems and of their positions, and helpers for the raw data that checks read.

import { fieldOf, isObject } from '../../lib/json.ts'
import { scrub } from '../../lib/secret.ts'

/** The position of a value in the config file: keys of mappings and indexes of lists, outermost first. */
export type Path = readonly (string | number)[]

/** Takes one problem and its position. */
export type Report = (path: Path, message: string) => void

/** Most characters of a key that are printed. */
const LONGEST_KEY = 300

export interface ConfigProblem {
  /** As the caller named it. */
  readonly file: string
  /** Counted from 1. */
  readonly line: number
  /** Dotted, as in `issuers[0].audience`; `(file)` for a problem of the whole file. */
  readonly key: string
  /** The problem and what to do about it; holds no secret value. */
  readonly message: string
}

/** A config file that cannot be used, with all of its problems. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]
  readonly needs: ConfigNeeds | undefined

  /**
   * @param problems - at least one; the message has one line for each
   * @param needs - undefined when the file could not be read so far
   */
  constructor(problems: readonly ConfigProblem[], needs?: ConfigNeeds) {
    super(problems.map(formatProblem).join('\n'))
    this.problems = problems
    this.needs = needs
  }
}

/** The parts of the config file that need more of the environment than secrets. */
export interface ConfigNeeds {
  /** Name of the first self-hosted workflow. */
  readonly selfHosted: string | undefined
  readonly console: boolean
}

/**
 * `file:line: key: what is wrong`, on one line. Texts that look like a credential are blacked out, because
 * somebody may have pasted a key where its name belongs.
 */
export function formatProblem({ file, line, key, message }: ConfigProblem): string {
  return scrub(`${file}:${line}: ${key}: ${message}`).replaceAll(/\p{Cc}+/gu, ' ')
}

/** A path in dotted form: `workflows.support.expires_after.seconds`, `issuers[0].audience`. A very long one is cut. */
export function formatPath(path: Path): string {
  if (path.length === 0) return '(file)'
  const text = path.map(formatStep).join('').replace(/^\./, '')
  return text.length > LONGEST_KEY ? `${text.slice(0, LONGEST_KEY)}…` : text
}

function formatStep(step: string | number): string {
  if (typeof step === 'number') return `[${step}]`
  return /^[\w-]+$/.test(step) ? `.${step}` : `[${JSON.stringify(step)}]`
}

/** The value at a position; undefined when there is none. */
export function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => fieldOf(value, String(step)), data)
}

/** A mapping of the config file before it has been checked. */
export type RawMapping = Readonly<Record<string, unknown>>

/** A value of the file as a mapping; empty when it is something else, which the schema reports. */
export function asMapping(value: unknown): RawMapping {
  return isObject(value) ? value : {}
}

/** A value of the file as a list; empty when it is something else. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** A value of the file as text; undefined when it is something else. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}
