import { parseArgs } from 'node:util'
import { LIMITS, lengthOf, lineOf, measurePaths } from './measure.ts'
import type { Ran } from './profiler.ts'

const { values } = parseArgs({ options: { files: { type: 'string' } } })
const asked = values.files
if (asked !== undefined && !Object.hasOwn(LIMITS, asked)) {
  throw new Error(`--files takes one of: ${Object.keys(LIMITS).join(', ')}`)
}

for (const [name, path] of await measurePaths(asked)) {
  process.stdout.write(lineOf(name, lengthOf(path)))
  if (asked === name) printFiles(path)
}

function printFiles(path: readonly Ran[]): void {
  for (const [file, functions] of Map.groupBy(path, (ran) => ran.file)) {
    const names = functions.map(({ name }) => name).join(', ')
    process.stdout.write(`${String(functions.length).padStart(4)} ${file}: ${names}\n`)
  }
}
