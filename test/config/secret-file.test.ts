import { renameSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { beforeEach, describe, expect, test } from 'vitest'
import { makeSigningKeys } from '../../src/chatkit/signing/signing-keys.ts'
import { SecretFileError, secretFromFile } from '../../src/config/secret-file.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

let folder: string
let path: string
let now: number
beforeEach(() => {
  folder = scratchFolder()
  path = join(folder, 'key')
  now = 10_000
})

const open = () => secretFromFile('OPENAI_API_KEY_FILE', path, { now: () => now })

describe('at first', () => {
  test('the content is the secret, without white space or byte order mark around it', () => {
    for (const text of ['sk-1', 'sk-1\n', '  sk-1\r\n\n', '\ufeffsk-1\n']) {
      writeFileSync(path, text)
      expect(open()().reveal()).toBe('sk-1')
    }
  })

  test.each(['', ' \n\t', '\ufeff'])('a file that holds nothing (%j) is an error', (text) => {
    writeFileSync(path, text)
    expect(open).toThrow(new SecretFileError(`OPENAI_API_KEY_FILE: ${path} is empty`))
  })

  test.each([
    ['random bytes', Buffer.from([0x61, 0xff, 0x80, 0xc3])],
    ['UTF-16', Buffer.from('sk-1', 'utf16le')],
    ['UTF-16 with its mark', Buffer.from('\ufeffsk-1', 'utf16le')],
  ])('a file of %s is an error, not a secret of other bytes', (_, bytes) => {
    writeFileSync(path, bytes)
    const message = `OPENAI_API_KEY_FILE: ${path} is not UTF-8 text; save it as UTF-8`
    expect(open).toThrow(new SecretFileError(message))
  })

  test('a file that is missing is an error with variable and path', () => {
    const message = `OPENAI_API_KEY_FILE: cannot read ${path}; check path and permissions`
    expect(open).toThrow(new SecretFileError(message))
  })

  test('a folder is an error that says where it may come from', () => {
    path = folder
    const problem = 'is a folder, which Docker makes where the file to mount is missing'
    const message = `OPENAI_API_KEY_FILE: ${path} ${problem}; name a regular file`
    expect(open).toThrow(new SecretFileError(message))
  })

  test('a device, which may have no end, is an error', () => {
    path = '/dev/null'
    const message = `OPENAI_API_KEY_FILE: ${path} is a pipe or device; name a regular file`
    expect(open).toThrow(new SecretFileError(message))
  })

  test('256 KiB are a secret, and a byte more is an error', () => {
    const secret = 'a'.repeat(256 * 1024)
    writeFileSync(path, secret)
    expect(open()().reveal()).toBe(secret)
    writeFileSync(path, `${secret}\n`)
    const message = `OPENAI_API_KEY_FILE: ${path} is longer than 256 KiB, which no secret is`
    expect(open).toThrow(new SecretFileError(message))
  })

  test.each([
    ['a signing key', makeSigningKeys()],
    ['a token', `eyJhbGciOiJub25lIn0.${'eyJzdWIiOiJhIn0'.repeat(4)}.c2lnbmF0dXJl`],
    ['base64url', 'xnSm1qYhpI0N44mnH6JlvXdwQ8ImLFWofMiyYScc8c8'],
    ['base64 with slashes', '/nSm1qYhpI0N/4mnH6JlvXdwQ8I/LFWofMiyYScc8c8='],
    ['base64 with one slash, at its beginning', '/nSm1qYhpI0N44mnH6JlvXdwQ8ImLFWofMiyYScc8c8='],
    ['words', 'correct horse battery staple'],
  ])('%s in the place of its path is not printed', (_, secret) => {
    path = secret
    expect(open).toThrow(
      /^OPENAI_API_KEY_FILE: cannot read the file that it names, .* give the path/,
    )
    expect(open).not.toThrow(secret)
  })

  test.each([
    '/run/none/key',
    '/tmp/None/OPENAI_API_KEY',
    'signing-key.json',
    './keys/Team.pem',
    './secrets/API_KEY',
    'Token.txt',
  ])('a path that is missing is printed: %s', (text) => {
    path = text
    expect(open).toThrow(`cannot read ${text}; check path`)
  })
})

describe('later', () => {
  test('a changed file is read again, a second after the last look at the soonest', () => {
    writeFileSync(path, 'sk-1')
    const secret = open()
    writeFileSync(path, 'sk-second')
    now += 999
    expect(secret().reveal()).toBe('sk-1')
    now += 1
    expect(secret().reveal()).toBe('sk-second')
  })

  test('so is one that was replaced by another of the same length', () => {
    writeFileSync(path, 'sk-1')
    const secret = open()
    const next = join(folder, 'next')
    writeFileSync(next, 'sk-2')
    renameSync(next, path)
    now += 1000
    expect(secret().reveal()).toBe('sk-2')
  })

  test('so is one behind a symbolic link that now leads elsewhere, as in Kubernetes', () => {
    writeFileSync(join(folder, 'a'), 'sk-a')
    writeFileSync(join(folder, 'b'), 'sk-b')
    symlinkSync(join(folder, 'a'), path)
    const secret = open()
    symlinkSync(join(folder, 'b'), join(folder, 'link'))
    renameSync(join(folder, 'link'), path)
    now += 1000
    expect(secret().reveal()).toBe('sk-b')
  })

  test('while it is missing or empty the last good value stays, until a new one is there', () => {
    writeFileSync(path, 'sk-1')
    const secret = open()
    unlinkSync(path)
    now += 1000
    expect(secret().reveal()).toBe('sk-1')
    writeFileSync(path, '')
    now += 1000
    expect(secret().reveal()).toBe('sk-1')
    writeFileSync(path, 'sk-2')
    now += 1000
    expect(secret().reveal()).toBe('sk-2')
  })

  test.each([
    ['missing', () => unlinkSync(path), () => `cannot read ${path}; check path and permissions`],
    ['empty', () => writeFileSync(path, '\n'), () => `${path} is empty`],
    [
      'no text',
      () => writeFileSync(path, Buffer.from('sk-2', 'utf16le')),
      () => `${path} is not UTF-8 text; save it as UTF-8`,
    ],
  ])(
    'a file that is still %s at the second look is reported once, and again after it was good',
    (_, spoil, problem) => {
      const lines: string[] = []
      writeFileSync(path, 'sk-1')
      const secret = secretFromFile('OPENAI_API_KEY_FILE', path, {
        now: () => now,
        onLost: (line) => lines.push(line),
      })
      const look = () => {
        now += 1000
        secret()
      }
      spoil()
      look()
      expect(lines).toStrictEqual([])
      look()
      look()
      const line = `OPENAI_API_KEY_FILE: ${problem()}; the value before it stays in use, and the next start fails`
      expect(lines).toStrictEqual([line])
      writeFileSync(path, 'sk-3')
      look()
      spoil()
      look()
      look()
      expect(lines).toStrictEqual([line, line])
    },
  )

  test('an unchanged file stays the same secret', () => {
    writeFileSync(path, 'sk-1')
    const secret = open()
    const first = secret()
    now += 5000
    expect(secret()).toBe(first)
  })
})

test('no error and nothing printed holds the content', () => {
  writeFileSync(path, 'sk-planted-0123456789')
  expect(inspect(open()()) + JSON.stringify(open()())).not.toContain('planted')
})
