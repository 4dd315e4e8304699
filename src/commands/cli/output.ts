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
 * A table on standard output. Cells may hold any text.
 *
 * @param head - names of the columns
 * @param rows - a cell per column; null and undefined are shown as `–`
 */
export async function printTable(
  io: Io,
  head: readonly string[],
  rows: readonly (readonly unknown[])[],
): Promise<void> {
  const table = new Table({ head: head.map((name) => strong(io, name)), style: PLAIN })
  table.push(...rows.map((row) => row.map(cell)))
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
