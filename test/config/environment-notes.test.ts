import { expect, test } from 'vitest'
import { readEnvironment } from '../../src/config/env.ts'
import { environmentNotes } from '../../src/config/environment-notes.ts'

const notes = (PUBLIC_URL: string | undefined, PORT = 8787): string[] =>
  environmentNotes(readEnvironment({ PUBLIC_URL, PORT: String(PORT) }))

test.each([
  ['http://localhost:8788', 8787, '8788'],
  ['http://127.0.0.1', 8787, '80'],
  ['https://[::1]/chat', 8787, '443'],
])('%s is pointed out to a process on port %d', (publicUrl, port, named) => {
  const line = `PUBLIC_URL names port ${named}, this process listens on ${port}; set PORT or PUBLIC_URL`
  expect(notes(publicUrl, port)).toEqual([expect.stringContaining(line)])
})

test.each([
  ['http://localhost:8787', 8787],
  ['http://localhost', 80],
  ['http://localhost:8788', 0],
  ['https://chat.example.com', 8787],
  [undefined, 8787],
])('%s is right for a process on port %d', (publicUrl, port) => {
  expect(notes(publicUrl, port)).toEqual([])
})

test('plain http is pointed out, unless it is at loopback', () => {
  expect(notes('http://chat.internal:8787')).toEqual([
    expect.stringContaining('PUBLIC_URL is plain http'),
  ])
})

test('PUBLIC_URL of the shipped files is named at a start, and does not stop it', () => {
  expect(notes('https://chat.acme.example')).toEqual([
    expect.stringContaining('PUBLIC_URL: is the placeholder acme.example'),
  ])
  expect(notes('https://chat.acme.test')).toEqual([])
})
