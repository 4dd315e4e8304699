import { describe, expect, test } from 'vitest'
import { ServiceError } from '../../src/lib/errors.ts'
import { createLog, type LogFormat } from '../../src/lib/log.ts'
import { Secret, scrub } from '../../src/lib/secret.ts'
import { tokenFor } from '../support/running-service.ts'

function written(
  write: (log: ReturnType<typeof createLog>) => void,
  level = 'debug',
  format: LogFormat = 'json',
) {
  const lines: string[] = []
  write(createLog({ level, format, destination: { write: (line) => void lines.push(line) } }))
  return lines
}

function parsed(line: string | undefined): Record<string, unknown> {
  return JSON.parse(line ?? '')
}

describe('createLog', () => {
  test('writes JSON lines, and none below its level', () => {
    const lines = written((log) => {
      log.debug('quiet')
      log.info({ count: 1 }, 'loud')
    }, 'info')
    expect(lines).toHaveLength(1)
    expect(parsed(lines[0])).toEqual({ level: 30, time: expect.any(Number), count: 1, msg: 'loud' })
  })

  test('writes one line for an entry with line breaks', () => {
    const lines = written((log) => log.info({ source: 'a\nb\r\u2028' }, 'x\ny'))
    expect(lines).toHaveLength(1)
    expect(lines[0]?.trimEnd()).not.toMatch(/[\r\n]/)
    expect(parsed(lines[0])).toMatchObject({ source: 'a\nb\r\u2028', msg: 'x\ny' })
  })

  test('writes type, message, code, stack and causes of an error, and no other property', () => {
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', headers: 'private' })
    const error = new ServiceError('upstream_unavailable', { reason: 'gone', cause })
    const [line] = written((log) => log.error({ err: error }, 'failed'))
    const { err } = parsed(line) as { err: Record<string, unknown> }
    expect(err).toEqual({
      type: 'ServiceError',
      message: 'upstream_unavailable: gone',
      code: 'upstream_unavailable',
      stack: expect.stringContaining('log.test.ts'),
      cause: {
        type: 'Error',
        message: 'refused',
        code: 'ECONNREFUSED',
        stack: expect.stringContaining('log.test.ts'),
      },
    })
    expect(line).not.toContain('private')
  })

  test('writes a thrown value that is no error, and an error that is its own cause', () => {
    const loop = new Error('loop')
    loop.cause = loop
    const lines = written((log) => {
      log.error({ err: 'just text' }, 'a')
      log.error({ err: loop }, 'b')
    })
    expect(lines).toHaveLength(2)
    expect(lines[0]).not.toContain('just text')
    expect(parsed(lines[1])).toMatchObject({ err: { message: 'loop', cause: { message: 'loop' } } })
  })

  test('writes a line without fields, and the message alone beside a value that has no JSON', () => {
    const circle: Record<string, unknown> = {}
    circle['self'] = circle
    const lines = written((log) => {
      log.info('a')
      log.info({}, 'b')
      log.info({ source: undefined }, 'c')
      log.info({ source: 1n }, 'd')
      log.info({ source: circle }, 'e')
    })
    const line = { level: 30, time: expect.any(Number) }
    expect(lines.map(parsed)).toEqual(['a', 'b', 'c', 'd', 'e'].map((msg) => ({ ...line, msg })))
  })

  test('redacts everything that looks like a credential, in messages, errors, values and keys', () => {
    const token = tokenFor()
    const secrets = ['sk-proj-0123456789', 'ek_0123456789abcdef', token]
    const [line] = written((log) => {
      log.error(
        { err: new Error(`with ${secrets[0]}`), what: { list: secrets }, [`${secrets[1]}`]: 1 },
        `Bearer ${token}`,
      )
    })
    for (const secret of [...secrets, ...token.split('.').slice(0, 2)]) {
      expect(line).not.toContain(secret)
    }
    expect(parsed(line)).toMatchObject({ what: { list: Array(3).fill('[redacted]') } })
  })

  test('writes [redacted] for a Secret', () => {
    const [line] = written((log) => log.info({ cause: new Secret('swordfish') }, 'x'))
    expect(parsed(line)).toMatchObject({ cause: '[redacted]' })
  })
})

describe('scrub', () => {
  test.each([
    'sk-proj-0123456789abcdefghij',
    'ek_0123456789abcdef0123456',
    'eyJhbGciOiJFUzI1NiJ9.e30.x',
  ])('finds %s after anything', (secret) => {
    const before = [
      '%20',
      '%22',
      '%2F',
      '%2f',
      '1',
      '_',
      '-',
      '.',
      '/',
      '"',
      '\\n',
      '\\u002f',
      'é',
      'key',
      'x',
    ]
    for (const start of before) {
      expect(scrub(`a ${start}${secret} b`)).toBe(`a ${start}[redacted] b`)
    }
  })

  test('finds a short credential after anything but a letter', () => {
    expect(scrub('%20sk-abcdef %22ek_abcdef 1sk-abcdef')).toBe(
      '%20[redacted] %22[redacted] 1[redacted]',
    )
  })

  test('is fast on a long text of beginnings of credentials', () => {
    expect(scrub('xsk-'.repeat(20_000))).toContain('sk-')
  })

  test('keeps words that only resemble a credential', () => {
    const text = 'task-list, sk-1, week_of_2026, seek_it, heyJude, risk-assessment-of-the-team'
    expect(scrub(text)).toBe(text)
  })
})

describe('createLog, as text', () => {
  const text = (write: (log: ReturnType<typeof createLog>) => void) =>
    written(write, 'debug', 'text')

  test('writes time, level, message, and the rest as name=value', () => {
    const [line] = text((log) => {
      log.warn(
        { url: 'http://127.0.0.1:8787', ms: 2, refused: true, kids: ['a', 'b'], source: '' },
        'is up',
      )
    })
    expect(line).toMatch(
      /^\d{4}-\d\d-\d\dT[\d:.]+Z WARN {2}is up url=http:\/\/127\.0\.0\.1:8787 ms=2 refused=true kids=\["a","b"\] source=""\n$/,
    )
  })

  test.each([
    ['a line break', 'x\n2026-11-26T00:00:00.000Z INFO  forged'],
    ['a carriage return', 'x\rforged'],
    ['an escape sequence', '\u001b[2Jforged'],
    ['a control of C1', '\u009b2Jforged'],
    ['a line separator', 'x\u2028forged'],
    ['a change of direction', 'x\u202eforged'],
    ['DEL', 'x\u007fforged'],
  ])('escapes %s in message, name, value and error', (_name, planted) => {
    const entry = { value: planted, what: { list: [planted] }, [planted]: 1 }
    const [line = ''] = text((log) => {
      log.error({ ...entry, err: new Error(planted, { cause: new Error(planted) }) }, planted)
    })
    const [first = '', ...stack] = line.trimEnd().split('\n')
    expect(first).toContain('forged')
    for (const below of stack) expect(below).toMatch(/^ {4}\S/)
    // biome would have it that no pattern holds a control character.
    const unsafe = /[\p{Cc}\u2028\u202e]/u
    for (const part of [first, ...stack]) expect(part).not.toMatch(unsafe)
  })

  test('a value that looks like several is put in quotes', () => {
    const [line] = text((log) => log.info({ cause: 'b c=d', source: 'f="g"' }, 'm'))
    expect(line).toContain('m cause="b c=d" source="f=\\"g\\""\n')
  })

  test('writes the stacks of an error and its causes below it, and redacts credentials', () => {
    const cause = new Error('with sk-proj-0123456789')
    const [line = ''] = text((log) => log.error({ err: new Error('outer', { cause }) }, 'failed'))
    const [first = '', ...stack] = line.trimEnd().split('\n')
    expect(first).toContain('failed err={"type":"Error","message":"outer","cause":{"type":"Error"')
    expect(stack[0]).toBe('    Error: outer')
    expect(stack).toContain('    Error: with [redacted]')
    expect(line).not.toContain('sk-proj')
  })
})
