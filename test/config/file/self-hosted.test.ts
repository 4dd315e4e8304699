import { describe, expect, test, vi } from 'vitest'
import { MINIMAL, minimalWith, problemsOf, settingsOf } from '../fixtures.ts'

const OWN = minimalWith('    id: wf_1', '    server: http://helpdesk.internal:8000/chatkit')

describe('a self-hosted workflow', () => {
  test('has its URL and its name, and adopts no threads by default', () => {
    const server = 'http://helpdesk.internal:8000/chatkit'
    const own = { kind: 'self-hosted', name: 'support', server, adoptThreads: false }
    expect(settingsOf(OWN).workflows).toMatchObject([own])
  })

  test('keeps its threads at the address of its server, however that is spelt', () => {
    for (const server of ['HTTP://Desk.Internal:80/chatkit', 'http://desk.internal/chatkit/']) {
      const text = minimalWith('    id: wf_1', `    server: ${server}`)
      const threadsAt = 'http://desk.internal/chatkit'
      expect(settingsOf(text).workflows).toMatchObject([{ server, threadsAt }])
    }
  })

  test('keeps its threads at a name of its own, which may be an old address', () => {
    const named = (name: string) => settingsOf(`${OWN}\n    threads_at: ${name}`).workflows[0]
    expect(named('desk')).toMatchObject({ threadsAt: 'desk' })
    expect(named('https://old.example:443/chatkit/')).toMatchObject({
      threadsAt: 'https://old.example/chatkit',
    })
  })

  test('has no empty threads_at, and none with control characters', () => {
    for (const name of ['""', '"\\n"', '"a\\tb"', '" a"']) {
      expect(problemsOf(`${OWN}\n    threads_at: ${name}`)).toHaveLength(1)
    }
  })

  test('shares threads_at with the other workflows of its server where one of them adopts', () => {
    const other = '\n  other:\n    server: http://helpdesk.internal:8000/chatkit/\n'
    expect(problemsOf(`${OWN}${other}    adopt_threads: true`)).toEqual([])
    expect(problemsOf(`${OWN}${other}    threads_at: other`)).toEqual([])
    const apart = `${OWN}${other}    threads_at: other\n    adopt_threads: true`
    expect(problemsOf(apart)).toEqual([expect.stringContaining('threads_at')])
    expect(problemsOf(apart.replace('helpdesk', 'desk'))).toEqual([])
  })

  test('needs no API key', () => {
    const asked = vi.fn()
    settingsOf(OWN, asked)
    expect(asked.mock.calls.map(([name]) => name)).not.toContain('OPENAI_API_KEY')
  })

  test.each([
    ['version', "version: '3'"],
    ['api_key_env', 'api_key_env: OTHER_KEY'],
    ['base_url', 'base_url: https://eu.api.openai.com/v1'],
    ['tracing', 'tracing: { enabled: true }'],
    ['chatkit_configuration', 'chatkit_configuration: {}'],
    ['fallback', 'fallback: support'],
  ])('has no %s: it means nothing to a server of one’s own', (key, line) => {
    const problems = problemsOf(OWN.replace('/chatkit\n', `/chatkit\n    ${line}\n`))
    expect(problems[0]).toMatch(new RegExp(`^9 workflows\\.support\\.${key} is only for workflows`))
  })

  test.each([
    'ftp://helpdesk/chatkit',
    'helpdesk:8000',
    'http://user:word@helpdesk/chatkit',
    'http://helpdesk/chatkit#x',
  ])('refuses %s as its URL', (url) => {
    const text = OWN.replace('http://helpdesk.internal:8000/chatkit', `'${url}'`)
    expect(problemsOf(text)).toEqual([expect.stringMatching(/^8 workflows\.support\.server /)])
  })
})

test('id and server together are an error, and adopt_threads with id', () => {
  const both = minimalWith('id: wf_1', 'id: wf_1\n    server: http://x/c\n    adopt_threads: true')
  expect(problemsOf(both)).toEqual([
    expect.stringMatching(/^9 workflows\.support\.server stands beside id/),
    expect.stringMatching(/^10 workflows\.support\.adopt_threads is only for/),
  ])
})

describe('fallback', () => {
  const withFallback = (fallback: string, more = '') =>
    `${minimalWith('id: wf_1', `id: wf_1\n    fallback: ${fallback}`)}${more}`

  test('names another workflow', () => {
    const text = withFallback('helpdesk', '  helpdesk: { server: http://h/chatkit }\n')
    expect(settingsOf(text).workflows[0]).toMatchObject({ fallback: 'helpdesk' })
  })

  test.each([
    ['nobody', '', /names no workflow/],
    ['support', '', /names the workflow itself/],
    ['b', '  b: { id: wf_2, fallback: support }\n', /leads to b, which has a fallback itself/],
  ])('%s is refused', (name, more, why) => {
    expect(problemsOf(withFallback(name, more))[0]).toMatch(why)
  })
})

const MEBIBYTE = 1024 * 1024

/** SHA-256 of what `printf %s "$SECRET"` and `echo $SECRET` print when the variable is not set. */
const OF_NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
const ZEROS = '0'.repeat(64)
const OF_LINE_FEED = '01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b'

describe('gateway and introspection', () => {
  test('have the defaults of the contract', () => {
    expect(settingsOf(MINIMAL)).toMatchObject({
      gateway: {
        maxBodyBytes: 10 * MEBIBYTE,
        maxFrameBytes: 32 * MEBIBYTE,
        maxAnswerBytes: 64 * MEBIBYTE,
        memoryBytes: 256 * MEBIBYTE,
        userMemoryBytes: 64 * MEBIBYTE,
        ...{ bodyMs: 120_000, idleMs: 300_000, answerMs: 60_000, streamMs: 3_600_000 },
        ...{ streamsPerUser: 10, allowUnknownTypes: false },
      },
      introspectionClients: [],
    })
  })

  test('take a limit and clients', () => {
    const hash = 'ab'.repeat(32)
    const text = `${MINIMAL}gateway: { max_body_mb: 1 }
introspection: { clients: [{ id: helpdesk, secret_sha256: 'sha256:${hash}' }] }
`
    expect(settingsOf(text)).toMatchObject({
      gateway: { maxBodyBytes: MEBIBYTE },
      introspectionClients: [{ id: 'helpdesk', secretSha256: hash, workflows: undefined }],
    })
  })

  test.each([
    ['a client twice', 'a', 'ab'.repeat(32), /clients\[1\]\.id is there twice/],
    ['the digest of an empty variable', 'b', OF_NOTHING, /is the SHA-256 of an empty text/],
    ['the digest of a line feed', 'b', OF_LINE_FEED, /is the SHA-256 of an empty text/],
  ])('refuse %s', (_name, id, hash, problem) => {
    const first = `{ id: a, secret_sha256: 'sha256:${'cd'.repeat(32)}' }`
    const second = `{ id: ${id}, secret_sha256: 'sha256:${hash}' }`
    expect(problemsOf(`${MINIMAL}introspection: { clients: [${first}, ${second}] }\n`)).toEqual([
      expect.stringMatching(problem),
    ])
  })

  test('let a client learn of self-hosted workflows of the file only', () => {
    const hash = 'ab'.repeat(32)
    const withNames = (text: string, names: string) =>
      `${text}\nintrospection: { clients: [{ id: a, secret_sha256: 'sha256:${hash}', workflows: ${names} }] }\n`
    expect(settingsOf(withNames(OWN, '[support]'))).toMatchObject({
      introspectionClients: [{ workflows: ['support'] }],
    })
    for (const [text, names] of [
      [OWN, '[]'],
      [OWN, '[other]'],
      [OWN, '[support, __proto__]'],
      [OWN, '[support, toString]'],
      [MINIMAL, '[support]'],
    ] as const) {
      const [problem] = problemsOf(withNames(text, names))
      expect(problem).toContain('introspection.clients[0].workflows')
    }
  })

  test.each([
    ['gateway: { max_body_mb: 0 }', 'gateway.max_body_mb'],
    ['gateway: { max_frame_mb: 257 }', 'gateway.max_frame_mb'],
    ['gateway: { memory_mb: 16385 }', 'gateway.memory_mb'],
    ['gateway: { idle_seconds: 86401 }', 'gateway.idle_seconds'],
    ['gateway: { stream_minutes: 1441 }', 'gateway.stream_minutes'],
    ['gateway: { streams_per_user: 1001 }', 'gateway.streams_per_user'],
    ['introspection: { clients: [] }', 'introspection.clients'],
    ['introspection: { clients: [{ id: a, secret_sha256: plain }] }', 'secret_sha256'],
    [`introspection: { clients: [{ id: 'a:b', secret_sha256: 'sha256:${ZEROS}' }] }`, 'id'],
  ])('%s is refused', (line, key) => {
    expect(problemsOf(`${MINIMAL}${line}\n`)[0]).toContain(key)
  })
})
