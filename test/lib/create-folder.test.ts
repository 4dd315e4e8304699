import { statSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createFolder } from '../../src/lib/create-folder.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

test('a folder is made with those above it that are missing, each for its owner alone; one that is there stays', () => {
  const above = join(scratchFolder(), 'a')
  const folders = [above, join(above, 'b'), join(above, 'b', 'c')]
  for (let times = 0; times < 2; times++) createFolder(join(above, 'b', 'c'))
  expect(folders.map((folder) => statSync(folder).mode & 0o777)).toEqual([0o700, 0o700, 0o700])
})

test('a folder that cannot be made is an error', () => {
  expect(() => createFolder('/proc/none/below')).toThrow(/ENOENT|EACCES/)
})
