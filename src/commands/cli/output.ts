// Prints text, JSON and tables, harmless to terminals, and waits for slow readers.

import { styleText } from 'node:util'
import Table from 'cli-table3'
import { Option } from 'commander'
import { escapeInJson, printable } from '../../lib/printable.ts'
import { CommandError, EXIT, OutputClosedError } from './exit.ts'
import type { Io, Output } from './io.ts'

/** `--json`, the same for every command that prints data. */
export function jsonOption(): Option {
  return new Option('--json', 'print the answer as JSON, as it is')
}

/**
 * Text on standard output, with a line end.
 *
 * @throws {@link OutputClosedError} when nobody reads it any more
 */
export async function print(io: Io, text: string): Promise<void> {
  await writeTo(io.stdout, `${text}\n`)
}

/**
 * A JSON document on standard output, indented.
 *
 * @param value - to print, every field
 */
export async function printJson(io: Io, value: unknown): Promise<void> {
  await print(io, escapeInJson(JSON.stringify(value, null, 2)))
}

/**
 * A line that is JSON already, as it came.
 *
 * @param json - without line end
 */
export async function printLine(io: Io, json: string): Promise<void> {
  await print(io, escapeInJson(json))
}

/**
 * A table on standard output. Cells may hold any text. On a terminal that is too narrow, the middle of long
 * cells is left out.
 *
 * @param head - names of the columns
 * @param rows - a cell per column; null and undefined are shown as `–`
 */
export async function printTable(
  io: Io,
  head: readonly string[],
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  const cells = rows.map((row) => row.map(cell))
  const width = io.stdout.isTTY === true ? io.stdout.columns : undefined
  const most =
    width === undefined ? Number.POSITIVE_INFINITY : mostCharacters([head, ...cells], width)
  const table = new Table({ head: head.map((name) => strong(io, cut(name, most))), style: PLAIN })
  table.push(...cells.map((row) => row.map((text) => cut(text, most))))
  await print(io, table.toString())
}

/**
 * A list of names and values on standard output, one a line.
 *
 * @param fields - values as in {@link printTable}
 */
export async function printFields(
  io: Io,
  fields: readonly (readonly [name: string, value: unknown])[],
): Promise<void> {
  const width = Math.max(...fields.map(([name]) => name.length))
  const lines = fields.map(([name, value]) => `${strong(io, name.padEnd(width))}  ${cell(value)}`)
  await print(io, lines.join('\n'))
}

/** A line on standard error: what a person should know and a pipe should not get. */
export function remark(io: Io, text: string): void {
  io.stderr.write(`${text}\n`)
}

/** Unix seconds as a time of day in UTC. */
export function time(seconds: unknown): string {
  if (typeof seconds !== 'number' || !Number.isFinite(seconds)) return cell(seconds)
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace('.000Z', 'Z')
}

/**
 * Writes, and waits until there is room for more.
 *
 * @throws {@link OutputClosedError} when nobody reads it any more; {@link CommandError} when it
 * cannot be written
 */
function writeTo(output: Output, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(text, (error) => (error ? reject(outputError(error)) : resolve()))
  })
}

/** Characters below which no cell is cut, however narrow the terminal is. */
const LEAST_CHARACTERS = 9

/** The most characters that a cell may have for all columns to fit; each takes a border and two spaces more. */
function mostCharacters(rows: readonly (readonly string[])[], width: number): number {
  const columns = rows[0]?.map((_, at) =>
    Math.max(...rows.map((row) => [...(row[at] ?? '')].length)),
  )
  const room = width - 1 - 3 * (columns?.length ?? 0)
  let most = Math.max(...(columns ?? []))
  const taken = () => (columns ?? []).reduce((sum, one) => sum + Math.min(one, most), 0)
  while (most > LEAST_CHARACTERS && taken() > room) most--
  return most
}

/** Leaves out the middle: the ends of ids are what tells them apart. */
function cut(text: string, most: number): string {
  const characters = [...text]
  if (characters.length <= most) return text
  const end = Math.floor((most - 1) / 2)
  return `${characters.slice(0, most - 1 - end).join('')}…${characters.slice(-end).join('')}`
}

const PLAIN = { head: [], border: [], compact: true }

function cell(value: unknown): string {
  if (value === null || value === undefined) return '–'
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

function strong(io: Io, text: string): string {
  // `styleText` looks at NO_COLOR, but lets FORCE_COLOR put escapes into a pipe.
  return io.stdout.isTTY === true ? styleText('bold', text, { stream: io.stdout }) : text
}

function outputError(error: Error): Error {
  if ('code' in error && error.code === 'EPIPE') return new OutputClosedError()
  return new CommandError(EXIT.ioError, `cannot write standard output: ${error.message}`)
}
