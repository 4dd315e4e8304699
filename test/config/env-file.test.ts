import { mkdirSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { readEnvFile, withEnvFile } from '../../src/config/env-file.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

let file: string
beforeEach(() => {
  file = join(scratchFolder(), '.env')
})

test('a missing file is no problem', () => {
  expect(readEnvFile(file)).toBeUndefined()
})

test('comments, quotes and export are read as shells and Node read them', () => {
  writeFileSync(
    file,
    `# for development\nexport PORT=8080\nOPENAI_API_KEY="sk-one" # mine\nPUBLIC_URL='https://a.test'\nEMPTY=\n`,
  )
  expect(readEnvFile(file)).toEqual({
    variables: { PORT: '8080', OPENAI_API_KEY: 'sk-one', PUBLIC_URL: 'https://a.test', EMPTY: '' },
    problems: [],
  })
})

test('each name that Node itself would have to read is a problem, without its value', () => {
  writeFileSync(file, 'NODE_EXTRA_CA_CERTS=/planted.pem\nPORT=1\nNODE_OPTIONS=--planted\n')
  expect(readEnvFile(file)?.problems).toEqual(
    ['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS'].map(
      (name) =>
        `.env: ${name}: Node has started by the time this file is read; set it in the environment of the process`,
    ),
  )
})

test('a byte order mark is no part of the first name, and CRLF no part of a value', () => {
  writeFileSync(file, '\ufeffPORT=8080\r\nHOST=127.0.0.1\r\n')
  expect(readEnvFile(file)).toEqual({
    variables: { PORT: '8080', HOST: '127.0.0.1' },
    problems: [],
  })
})

test('a line with a colon is a problem, without its value; one inside a value is none', () => {
  writeFileSync(file, 'export OPENAI_API_KEY: sk-planted\nPEM="\nPROC: 4\n"\n# PORT: 1\nPORT=1\n')
  expect(readEnvFile(file)).toEqual({
    variables: { PEM: '\nPROC: 4\n', PORT: '1' },
    problems: ['.env: OPENAI_API_KEY: stands before a colon; write OPENAI_API_KEY=value'],
  })
})

test('a file in UTF-16, as PowerShell writes it, is a problem', () => {
  writeFileSync(file, Buffer.from('\ufeffPORT=8080\r\n', 'utf16le'))
  expect(readEnvFile(file)?.problems).toEqual(['.env: is not UTF-8 text; save it as UTF-8'])
})

test('a file of more than 4 MiB is a problem', () => {
  writeFileSync(file, '')
  truncateSync(file, 4 * 1024 * 1024 + 1)
  expect(readEnvFile(file)?.problems).toEqual(['.env: is longer than 4 MiB'])
})

test('a file that cannot be read is a problem', () => {
  mkdirSync(file)
  expect(readEnvFile(file)?.problems).toEqual([
    '.env: cannot be read (EISDIR); check its permissions',
  ])
})

test.each<[string, Record<string, string>, Record<string, string>, string[]]>([
  ['another name', { PORT: '1' }, { HOST: 'a' }, ['HOST']],
  ['the same name', { PORT: '1' }, { PORT: '2', HOST: 'a' }, ['HOST']],
  [
    'a name that the environment has blank',
    { PUBLIC_URL: '' },
    { PUBLIC_URL: 'https://a.test' },
    [],
  ],
  ['the file of a secret', { OPENAI_API_KEY: 'k' }, { OPENAI_API_KEY_FILE: '/f' }, []],
  ['a secret, whose file the environment names', { A_KEY_FILE: '/f' }, { A_KEY: 'k' }, []],
  ['a proxy in lower case', { HTTPS_PROXY: 'http://a' }, { https_proxy: 'http://b' }, []],
  ['a proxy in capitals', { no_proxy: 'a' }, { NO_PROXY: 'b' }, []],
])('%s counts beside the environment as it should', (_name, environment, given, added) => {
  expect(withEnvFile(environment, given).use.given).toEqual(added)
})
