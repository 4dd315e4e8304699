import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openExportFile } from '../../../../src/commands/cli/users/export-file.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'

async function save(path: string): Promise<void> {
  const file = await openExportFile(path)
  await file.write('{"type":"summary"}')
  await file.complete()
  await file.close()
}

test('a pipe gets the lines, and stays a pipe', async () => {
  const folder = scratchFolder()
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const read = readFile(pipe, 'utf8')
  await save(pipe)
  expect(await read).toBe('{"type":"summary"}\n')
  expect(lstatSync(pipe).isFIFO()).toBe(true)
  expect(readdirSync(folder)).toEqual(['pipe'])
})

test('a link stays a link, and its target is replaced', async () => {
  const folder = scratchFolder()
  const [link, target] = [join(folder, 'link'), join(folder, 'target')]
  writeFileSync(target, 'older')
  symlinkSync(target, link)
  await save(link)
  expect(lstatSync(link).isSymbolicLink()).toBe(true)
  expect(readFileSync(target, 'utf8')).toBe('{"type":"summary"}\n')
  expect(readdirSync(folder).toSorted()).toEqual(['link', 'target'])
})
