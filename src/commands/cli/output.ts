// Prints text, JSON and tables. It escapes control characters, and waits for slow readers.

import { styleText } from 'node:util'
import Table from 'cli-table3'
import { Option } from 'commander'
import widthOf from 'string-width'
import { systemCode } from '../../lib/errors.ts'
import { escapeInJson, printable } from '../../lib/printable.ts'
import { CommandError, EXIT, OutputClosedError } from './exit.ts'
import type { Io, Output } from './io.ts'

/** `--json`, the same for every command that prints data. */
export function jsonOption(): Option {
  return new Option('--json', 'print the answer as JSON, as it is')
}

/**
 * Prints text on standard output, with a line end.
 *
 * @throws {@link OutputClosedError} when the reader has stopped
 */
export async function print(io: Pick<Io, 'stdout'>, text: string): Promise<void> {
  await writeTo(io.stdout, `${text}\n`)
}

/** Prints a value on standard output as indented JSON. */
export async function printJson(io: Io, value: unknown): Promise<void> {
  await print(io, escapeInJson(JSON.stringify(value, null, 2)))
}

/**
 * Prints a line that is JSON already.
 *
 * @param json - without line end
 */
export async function printLine(io: Io, json: string): Promise<void> {
  await print(io, escapeInJson(json))
}

/** Most rows of one table: cli-table3 overflows the stack with some hundred thousand. */
const MOST_ROWS = 1000

/**
 * Prints a table on standard output, or several one below the other when it is very long. Cells may hold any text.
 * On a narrow terminal, long cells lose their middle; where even those do not fit, each row is printed as a list.
 *
 * @param rows - a cell per column; null and undefined are shown as `–`
 */
export async function printTable(
  io: Pick<Io, 'stdout'>,
  head: readonly string[],
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  const cells = rows.map((row) => row.map(cell))
  const width = io.stdout.isTTY === true ? io.stdout.columns : undefined
  const most = width === undefined ? Number.POSITIVE_INFINITY : mostColumns([head, ...cells], width)
  if (most === undefined) return await printLists(io, head, rows)
  for (let from = 0; from === 0 || from < cells.length; from += MOST_ROWS) {
    const table = new Table({ head: head.map((name) => strong(io, cut(name, most))), style: PLAIN })
    const some = cells.slice(from, from + MOST_ROWS)
    for (const row of some) table.push(row.map((text) => cut(text, most)))
    await print(io, table.toString())
  }
}

/** Prints each row as names and values, below an empty line. */
async function printLists(
  io: Pick<Io, 'stdout'>,
  head: readonly string[],
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  for (const row of rows) {
    await print(io, '')
    await printFields(
      io,
      head.map((name, column) => [name, row[column]] as const),
    )
  }
}

/**
 * Prints names and values on standard output, one pair a line.
 *
 * @param fields - names may hold any text; values as in {@link printTable}
 */
export async function printFields(
  io: Pick<Io, 'stdout'>,
  fields: readonly (readonly [name: string, value: unknown])[],
): Promise<void> {
  const shown = fields.map(([name, value]) => [printable(name), cell(value)] as const)
  const width = Math.max(...shown.map(([name]) => name.length))
  const lines = shown.map(([name, value]) => `${strong(io, name.padEnd(width))}  ${value}`)
  await print(io, lines.join('\n'))
}

/** Prints lines on standard error, which a person reads and a pipe does not get. They may hold any text. */
export function remark(io: Io, text: string): void {
  io.stderr.write(`${text.split('\n').map(printable).join('\n')}\n`)
}

/** Unix seconds as a time of day in UTC. */
export function time(seconds: unknown): string {
  if (typeof seconds !== 'number') return cell(seconds)
  const date = new Date(seconds * 1000)
  return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace('.000Z', 'Z')
}

/**
 * Writes, and waits until the text has been taken.
 *
 * @throws {@link OutputClosedError} when the reader has stopped; {@link CommandError} when writing fails
 */
function writeTo(output: Output, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    output.write(text, (error) => (error ? reject(outputError(error)) : resolve()))
  })
}

/** No cell is cut below this width, however narrow the terminal is. */
const LEAST_COLUMNS = 9

const TIME = /^(\d{4}-)(\d\d-\d\dT\d\d:\d\d):\d\dZ$/
/** Width of a time without seconds and year, of which nothing more is cut. */
const LEAST_OF_TIME = 12

/**
 * The width to which cells must be cut so that all columns fit; undefined if they cannot. Each column also takes a
 * border and two spaces.
 */
function mostColumns(rows: readonly (readonly string[])[], width: number): number | undefined {
  const columns = (rows[0] ?? []).map((_, at) => {
    const cells = rows.map((row) => row[at] ?? '')
    const longest = cells.reduce((most, one) => Math.max(most, widthOf(one)), 0)
    return { longest, least: cells.some((one) => TIME.test(one)) ? LEAST_OF_TIME : 0 }
  })
  const free = width - 1 - 3 * columns.length
  let most = columns.reduce((sofar, { longest }) => Math.max(sofar, longest), 0)
  const taken = () =>
    columns.reduce((sum, { longest, least }) => sum + Math.min(longest, Math.max(most, least)), 0)
  while (most > LEAST_COLUMNS && taken() > free) most--
  return taken() > free ? undefined : most
}

/** Leaves out the middle, because ids differ at their ends. A time loses its seconds, and then its year. */
function cut(text: string, most: number): string {
  if (widthOf(text) <= most) return text
  const [, year = '', minute] = TIME.exec(text) ?? []
  if (minute !== undefined) return `${most < 17 ? '' : year}${minute}Z`
  const characters = [...text]
  const end = Math.floor((most - 1) / 2)
  const last = fitting(characters.toReversed(), end).toReversed()
  return `${fitting(characters, most - 1 - end).join('')}…${last.join('')}`
}

/** The first characters that fit into a width. Chinese and Japanese ones take two columns each. */
function fitting(characters: readonly string[], width: number): readonly string[] {
  let free = width
  const size = characters.findIndex((one) => {
    free -= widthOf(one)
    return free < 0
  })
  return characters.slice(0, size)
}

const PLAIN = { head: [], border: [], compact: true }

function cell(value: unknown): string {
  if (value === null || value === undefined) return '–'
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

function strong(io: Pick<Io, 'stdout'>, text: string): string {
  // `styleText` respects NO_COLOR, but with FORCE_COLOR it would write escapes into a pipe.
  return io.stdout.isTTY === true ? styleText('bold', text, { stream: io.stdout }) : text
}

function outputError(error: Error): Error {
  if (systemCode(error) === 'EPIPE') return new OutputClosedError()
  return new CommandError(EXIT.ioError, `cannot write standard output: ${error.message}`)
}
