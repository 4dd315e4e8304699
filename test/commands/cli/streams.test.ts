import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CommandError, EXIT } from '../../../src/commands/cli/exit.ts'
import { runCli } from '../../../src/commands/cli/program.ts'
import { flood, serve } from '../../support/network/listen.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { forAllTests } from '../../support/started.ts'
import { quickCli, terminal } from './run-cli.ts'

// Answers of a service that a test writes line by line, with the point at which the connection breaks.

const THREAD = '{"type":"thread","thread":{"id":"cthr_1","n":1.0}}'
const COMPLETE = '{"type":"summary","complete":true,"threads":1,"items":0}'
/** Changes the title of a terminal, its colour, and the direction of text. */
const TITLE = '\u001b]0;title\u0007\u009b31m\u202e'
const SUMMARY = { type: 'summary', complete: true, [TITLE]: 1 }
const PARTIAL = '{"type":"summary","complete":false,"threads":1,"failures":[{"code":"x"}]}'

let answer: (response: ServerResponse) => void = (response) => response.end()
let seen: string[] = []
const server = forAllTests(() =>
  serve((request, response) => {
    seen.push(`${request.method} ${request.url}`)
    answer(response)
  }),
)
const folder = scratchFolder()
let env: Record<string, string>
beforeAll(() => {
  env = { CHATKIT_MINT_URL: server.origin, CHATKIT_MINT_TOKEN: 'a.b.c' }
})
afterEach(() => {
  seen = []
})

/** These lines, and then the end or a broken connection. */
function lines(texts: readonly string[], broken = false): (response: ServerResponse) => void {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    response.write(texts.map((text) => `${text}\n`).join(''), () => {
      if (broken) response.destroy()
      else response.end()
    })
  }
}

const exportBob = (...words: string[]) => quickCli(['users', 'export', 'bob', ...words], env)

describe('export', () => {
  test('every line is unchanged, to the byte', async () => {
    answer = lines([THREAD, COMPLETE])
    expect(await exportBob()).toEqual({ code: 0, out: `${THREAD}\n${COMPLETE}\n`, err: '' })
    expect(seen).toEqual(['GET /v1/admin/users/bob/export'])
  })

  test('lines that come in pieces, broken inside a character, are printed whole', async () => {
    const line = '{"type":"item","item":{"text":"grüße 🙂"}}'
    const bytes = Buffer.from(`${line}\n${COMPLETE}\n`)
    answer = async (response) => {
      response.writeHead(200)
      for (const byte of bytes) {
        await new Promise<void>((resolve) => response.write(Buffer.of(byte), () => resolve()))
      }
      response.end()
    }
    expect(await exportBob()).toMatchObject({ code: 0, out: `${line}\n${COMPLETE}\n` })
  })

  test.each([
    ['the connection breaks', lines([THREAD], true), /truncated/],
    ['it ends without a summary', lines([THREAD]), /truncated/],
    ['it ends in the middle of the summary', lines([THREAD, COMPLETE.slice(0, 30)]), /not what/],
    ['it is empty', lines([]), /truncated/],
    ['the summary says so', lines([THREAD, PARTIAL]), /not complete/],
    ['something follows the summary', lines([COMPLETE, THREAD]), /follow the summary/],
    ['the summary says nothing', lines(['{"type":"summary"}']), /not what it should be/],
    ['a line is no JSON', lines(['<html>', COMPLETE]), /not what it should be/],
  ])(
    'when %s it ends with 1, and nothing has the name of the file',
    async (_name, behaviour, message) => {
      answer = behaviour
      const piped = await exportBob()
      expect(piped.code).toBe(1)
      expect(piped.err).toMatch(message)
      const file = join(folder, 'bob.ndjson')
      const { code, err } = await exportBob('--output', file)
      expect(code).toBe(1)
      expect(err).toMatch(message)
      expect(existsSync(file)).toBe(false)
      expect(existsSync(`${file}.partial`)).toBe(true)
    },
  )

  test('a last line without its end is not taken for the summary', async () => {
    answer = (response) => response.end(`${THREAD}\n${COMPLETE}`)
    expect(await exportBob()).toMatchObject({ code: 1, out: `${THREAD}\n` })
  })

  test('an old file stays until the new one is whole', async () => {
    const file = join(folder, 'old.ndjson')
    writeFileSync(file, 'old')
    answer = lines([THREAD], true)
    expect(await exportBob('--output', file)).toMatchObject({ code: 1 })
    expect(readFileSync(file, 'utf8')).toBe('old')
    answer = lines([THREAD, COMPLETE])
    expect(await exportBob('--output', file)).toMatchObject({ code: 0 })
    expect(readFileSync(file, 'utf8')).toBe(`${THREAD}\n${COMPLETE}\n`)
    expect(existsSync(`${file}.partial`)).toBe(false)
  })

  test('a file that cannot be written ends it with 74', async () => {
    answer = lines([COMPLETE])
    const file = join(folder, 'no-such-folder', 'bob.ndjson')
    expect(await exportBob('--output', file)).toMatchObject({ code: 74, out: '' })
  })

  test('an interrupt ends it with 130, and closes the connection', async () => {
    const { io, said, controller } = terminal(env)
    const gone = Promise.withResolvers<void>()
    answer = (response) => {
      response.on('close', gone.resolve)
      response.write(`${THREAD}\n`)
    }
    const running = runCli(['users', 'export', 'bob'], io)
    while (!said.out.includes('cthr_1')) await new Promise((resolve) => setTimeout(resolve, 5))
    controller.abort(new CommandError(EXIT.interrupted, 'interrupted'))
    expect(await running).toBe(130)
    await gone.promise
    expect(said.err).toContain('chatkit-mint: interrupted')
  })

  test('progress shows on a terminal only, on standard error, and is cleared at the end', async () => {
    answer = lines([THREAD, THREAD, COMPLETE])
    const { io, said, stdout } = terminal(env)
    stdout.isTTY = false
    expect(await runCli(['users', 'export', 'bob'], io)).toBe(0)
    expect(said.err).toContain('exporting: ')
    expect(said.out).toBe(`${THREAD}\n${THREAD}\n${COMPLETE}\n`)
    // The line is cleared, and the cursor is back.
    expect(said.err.lastIndexOf('\u001b[?25h')).toBeGreaterThan(said.err.lastIndexOf('\u001b[?25l'))
    expect((await exportBob()).err).toBe('')
    const both = terminal(env)
    expect(await runCli(['users', 'export', 'bob'], both.io)).toBe(0)
    expect(both.said.err).toBe('')
  })
})

describe('erase', () => {
  const erase = (...words: string[]) => quickCli(['users', 'erase', 'bob', '--yes', ...words], env)
  const progress = '{"type":"progress","threads_deleted":1,"threads_failed":0}'

  test('prints the summary for people, and every line unchanged with --json', async () => {
    answer = lines([progress, COMPLETE])
    const readable = await erase()
    expect(readable).toMatchObject({ code: 0, err: '' })
    expect(readable.out).toBe('complete  true\nthreads   1\nitems     0\n')
    expect(await erase('--json')).toEqual({ code: 0, out: `${progress}\n${COMPLETE}\n`, err: '' })
    expect(seen).toEqual(Array(2).fill('POST /v1/admin/users/bob/erase'))
  })

  test('that is incomplete, or has no summary, ends with 1 and the advice to repeat it', async () => {
    answer = lines([progress, PARTIAL])
    const partial = await erase()
    expect(partial.code).toBe(1)
    expect(partial.out).toContain('[{"code":"x"}]')
    expect(partial.err).toMatch(/not everything is erased.*Run it again/)
    answer = lines([progress], true)
    const broken = await erase()
    expect(broken.code).toBe(1)
    expect(broken.err).toMatch(/without its summary.*Run it again; that is safe/)
  })
})

test.each([
  'audit verify',
  'jwt explain --config config/chatkit-mint.yaml',
  'users find --token-file -',
])('an interrupt while %s reads standard input ends it with 130', async (words) => {
  const { io, said, stdin, controller } = terminal(env)
  const running = runCli(words.split(' '), io)
  await expect.poll(() => stdin.listenerCount('readable')).toBeGreaterThan(0)
  controller.abort(new CommandError(EXIT.interrupted, 'interrupted'))
  expect(await running).toBe(130)
  expect(said.err).toMatch(/chatkit-mint: interrupted\n$/)
})

test('an interrupted erase exits 130 and says that the service continues', async () => {
  const { io, said, controller } = terminal(env)
  const arrived = Promise.withResolvers<void>()
  answer = (response) => {
    response.write('{"type":"progress"}\n')
    arrived.resolve()
  }
  const running = runCli(['users', 'erase', 'bob', '--yes'], io)
  await arrived.promise
  controller.abort(new CommandError(EXIT.interrupted, 'interrupted'))
  expect(await running).toBe(130)
  expect(said.err).toMatch(/the service goes on erasing.*\nchatkit-mint: interrupted\n$/)
})

test.each([
  [200, 256],
  [400, 1],
])('an answer with status %d that never ends is given up after %d MiB', async (status, most) => {
  let sent = 0
  answer = (response) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    flood(response, Number.POSITIVE_INFINITY, (bytes) => {
      sent += bytes
    })
  }
  const { code, out, err } = await quickCli(['sessions', 'list'], env)
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(err).toContain(`the answer of ${server.origin} is too long`)
  expect(sent).toBeLessThan((most + 64) * 2 ** 20)
})

describe('a cancel that OpenAI has not confirmed', () => {
  const json = (status: number, body: object) => (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body))
  }

  test('is reported next to the answer and is no failure, because the service continues', async () => {
    const times = { created_at: 1, expires_at: 2 }
    const session = { id: 's_1', user: 'bob', workflow: 'w', status: 'cancelling', ...times }
    answer = json(202, session)
    const one = await quickCli(['sessions', 'cancel', '--session-id', 's_1', '--json'], env)
    expect(one.code).toBe(0)
    expect(JSON.parse(one.out)).toEqual(session)
    expect(one.err).toContain('has not confirmed')
    answer = json(200, { user: 'bob', cancelled: [], cancelling: ['s_1'], blocked_until: null })
    const all = await quickCli(['users', 'revoke', 'bob'], env)
    expect(all).toMatchObject({ code: 0, err: expect.stringContaining('not confirmed all') })
    expect(all.out).toMatch(/^cancelling +\["s_1"\]$/m)
  })
})

describe('an answer of another server', () => {
  test.each([
    ['HTML', 200, '<html>', 1, /not this service/],
    ['a gateway', 502, '<html>', 69, /status 502/],
    ['a redirect', 302, '', 1, /redirect/],
    ['another API', 404, '{"error":"no"}', 1, /status 404/],
    ['an older service', 200, '{"object":"list"}', 1, /not what this command expects/],
  ])('%s', async (_name, status, body, exitCode, message) => {
    answer = (response) => {
      response.writeHead(status, { location: 'http://127.0.0.1:1/elsewhere' })
      response.end(body)
    }
    const { code, out, err } = await quickCli(['threads', 'list'], env)
    expect({ code, out }).toEqual({ code: exitCode, out: '' })
    expect(err).toMatch(message)
    expect(err).not.toContain('a.b.c')
  })

  test.each([
    ['the cursor of a list', ['blocks', 'list'], { data: [], has_more: true, last_id: TITLE }],
    ['a name in an answer', ['users', 'revoke', 'bob'], { user: 'bob', known: true, [TITLE]: 1 }],
    ['a name in a summary', ['users', 'export', 'bob', '--output', join(folder, 'names')], SUMMARY],
    ['a name in the summary of an erase', ['users', 'erase', 'bob', '--yes'], SUMMARY],
  ])('control characters in %s are escaped', async (_name, words, json) => {
    answer = (response) => {
      response.setHeader('content-type', 'application/json')
      response.end(
        `${JSON.stringify({ object: 'list', first_id: null, cancelled: [], cancelling: [], blocked_until: null, ...json })}\n`,
      )
    }
    const { code, out, err } = await quickCli(words, env)
    expect(code).toBe(0)
    expect(`${out}${err}`).toContain('\\u{1b}]0;title\\u{7}\\u{9b}31m\\u{202e}')
    expect(`${out}${err}`).not.toMatch(/[^\P{Cc}\n]|\u202e/u)
  })

  test.each([
    [['users', 'unblock', 'bob']],
    [['users', 'unblock', 'bob', '--json']],
    [['users', 'revoke', 'bob']],
    [['users', 'erase', 'bob', '--yes']],
    [['sessions', 'cancel', 's_1']],
    [['threads', 'delete', 'cthr_1']],
  ])('%j reports no success for JSON that is not the answer of the service', async (words) => {
    answer = (response) => response.end('{"status":"ok"}')
    expect(await quickCli(words, env)).toMatchObject({ code: 1, out: '' })
  })

  test('a 404 for a user with a slash says that a proxy may have changed the path', async () => {
    const problem = { code: 'not_found', detail: 'Nothing.', request_id: 'req_1' }
    answer = (response) => response.writeHead(404).end(JSON.stringify(problem))
    const err = async (user: string) => (await quickCli(['users', 'unblock', user], env)).err
    expect(await err('https://a.example|bob')).toMatch(/pass on %2F/)
    expect(await err('bob')).not.toMatch(/%2F/)
  })

  test('control characters in a problem are escaped', async () => {
    const problem = { code: 'not_found', detail: '\u001b[2Jgone', request_id: 'req_\u001b[1m' }
    answer = (response) => {
      response.writeHead(404, { 'content-type': 'application/problem+json' })
      response.end(JSON.stringify(problem))
    }
    const { code, err } = await quickCli(['threads', 'list'], env)
    expect(code).toBe(1)
    const shown = ['chatkit-mint: \\u{1b}[2Jgone Check the id.', 'request_id: req_\\u{1b}[1m']
    for (const part of shown) expect(err).toContain(part)
    expect(err).not.toContain('\u001b')
  })
})
