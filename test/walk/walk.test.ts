import { expect, test } from 'vitest'
import { LIMITS, lengthOf, lineOf, measurePaths } from './measure.ts'

// Measured again where too much ran: on a busy machine, code that runs because the loop is late is counted too.
test('no request runs more files or functions than its limit', { retry: 2 }, async () => {
  const lengths = [...(await measurePaths())].map(([name, path]) => [name, lengthOf(path)] as const)
  expect(lengths.map(([name]) => name)).toEqual(Object.keys(LIMITS))
  for (const [name, length] of lengths) {
    const { files, functions } = length
    process.stdout.write(lineOf(name, length))
    const { files: mostFiles, functions: mostFunctions } = LIMITS[name]
    expect(files, `files of ${name}`).toBeLessThanOrEqual(mostFiles)
    expect(functions, `functions of ${name}`).toBeLessThanOrEqual(mostFunctions)
    // A measurement that saw nothing would hold any limit.
    expect(files, `files of ${name}`).toBeGreaterThan(mostFiles / 2)
  }
})
