import { parseArgs } from 'node:util'
import { LIMITS, lengthOf, measurePaths } from './measure.ts'
import type { Ran } from './profiler.ts'

const { values } = parseArgs({ options: { files: { type: 'string' } } })
const asked = values.files
if (asked !== undefined && !Object.hasOwn(LIMITS, asked)) {
  throw new Error(`--files takes one of: ${Object.keys(LIMITS).join(', ')}`)
}

for (const [name, path] of await measurePaths(asked)) {
  const { files, functions } = lengthOf(path)
  const limit = LIMITS[name]
  print(`walk: ${name} ${files}/${functions} (at most ${limit.files}/${limit.functions})`)
  if (asked === name) printFiles(path)
}

function printFiles(path: readonly Ran[]): void {
  for (const [file, functions] of Map.groupBy(path, (ran) => ran.file)) {
    const names = functions.map(({ name }) => name).join(', ')
    print(`${String(functions.length).padStart(4)} ${file}: ${names}`)
  }
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
