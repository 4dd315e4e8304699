import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { createFrameCutter, linesOf, needNoCheck, type Piece } from '../../src/gateway/frames.ts'
import { note, rest, startWritten } from './scripted-server.ts'

// A stream written by hand after the protocol: pieces of text, events that are checked, comments,
// line ends of all kinds, characters of several bytes.
const delta = (text: string, space = '') =>
  `data:${space} {"type":${space}"thread.item.updated","item_id":"msg_1","update":{"type":"assistant_message.content_part.text_delta","content_index":0,"delta":${JSON.stringify(text)}}}`
const done = 'data: {"type":"thread.item.done","item":{"id":"msg_1","text":"Grüezi 🙂"}}'
const RECORDING = [
  ...[delta('Gr'), delta('üezi'), `${delta('🙂')}\n: a comment inside`, ': keep-alive'],
  ...[`event: message\nid: 7\n${done}`, delta('x'.repeat(600)), done, delta('last')],
]

/** A text with a byte of UTF-8 in each character. */
const latin1 = (text: string | Buffer): string => Buffer.from(text).toString('latin1')

function cut(bytes: Buffer, chunkBytes: number): string {
  const cutter = createFrameCutter(1024 * 1024, () => {})
  const passed: Buffer[] = []
  const take = (pieces: Iterable<Piece>) => {
    for (const { bytes, needsCheck } of pieces) {
      passed.push(needsCheck ? Buffer.from(linesOf(bytes).text) : bytes)
    }
  }
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes)
    if (cutter.isBetweenFrames() && needNoCheck(latin1(chunk))) passed.push(chunk)
    else take(cutter.push(chunk))
  }
  take([cutter.rest()])
  return Buffer.concat(passed).toString()
}

test.each([
  ['LF', '\n'],
  ['CR LF', '\r\n'],
  ['CR', '\r'],
])(
  'a recording with lines that end in %s goes through whole, cut at every chunk size',
  (_, end) => {
    const whole = RECORDING.map((frame) => `${frame}\n\n`).join('')
    const bytes = Buffer.from(whole.replaceAll('\n', end))
    for (let chunkBytes = 1; chunkBytes <= bytes.length; chunkBytes++) {
      expect([chunkBytes, cut(bytes, chunkBytes)]).toEqual([chunkBytes, whole])
    }
  },
)

test('a frame whose type needs no check passes as the bytes in which it came, and others are whole frames', () => {
  const cutter = createFrameCutter(1024, () => {})
  const chunk = Buffer.from(`${delta('a')}\n\n${delta('b')}\n\n${done}\n\n${delta('c')}\n\n`)
  const pieces = [...cutter.push(chunk)]
  expect(pieces.map(({ bytes, needsCheck }) => [needsCheck, bytes.toString()])).toEqual([
    [false, `${delta('a')}\n\n${delta('b')}\n\n`],
    [true, `${done}\n\n`],
    [false, `${delta('c')}\n\n`],
  ])
})

test('a chunk passes as a whole only if all of it is whole frames that need no check', () => {
  const passes = (before: string, chunk: string) => {
    const cutter = createFrameCutter(1024, () => {})
    for (const _ of cutter.push(Buffer.from(before)));
    return cutter.isBetweenFrames() && needNoCheck(latin1(chunk))
  }
  const text = `${delta('a')}\n\n`
  expect(passes('', text + text)).toBe(true)
  expect(passes(text, text)).toBe(true)
  for (const chunk of [
    `${text}${done}\n\n`,
    `${done}\n\n${text}`,
    text.slice(0, -1),
    `\n${text}`,
  ]) {
    expect([chunk, passes('', chunk)]).toEqual([chunk, false])
  }
  expect(passes('', text.replaceAll('\n', '\r'))).toBe(false)
  // In each of these the chunk goes on with a line that is not its own.
  for (const before of [
    'data: {"type":"thread.created",',
    'data: {}\n',
    'data: {}\n\r',
    ': x\r\n\r',
  ]) {
    expect([before, passes(before, text)]).toEqual([before, false])
  }
})

test.each([
  ['a second type', '"type":"thread.created","thread":{"id":"thr_bob"}'],
  ['a second type whose name is escaped', '"\\u0074ype":"thread.created"'],
  ['a field that is not known', '"more":{"thread":{"id":"thr_bob"}}'],
  ['a known field that holds more than a value', '"text":{"thread":{"id":"thr_bob"}}'],
  ['an item', '"item":{"thread_id":"thr_bob"}'],
])('a frame whose beginning needs no check is checked when it has %s', (_, field) => {
  const frames = [
    `data: {"type":"progress_update","text":"a",${field}}\n\n`,
    `data: {"type":"progress_update",${field},"text":"a"}\n\n`,
    `${delta('a').slice(0, -2)},${field}}}\n\n`,
    `${delta('a').slice(0, -1)},${field}}\n\n`,
  ]
  for (const frame of frames) {
    const cutter = createFrameCutter(1024, () => {})
    const chunk = Buffer.from(`${delta('b')}\n\n${frame}`)
    expect([frame, needNoCheck(latin1(chunk))]).toEqual([frame, false])
    expect([...cutter.push(chunk)].map(({ needsCheck }) => needsCheck)).toEqual([false, true])
  }
})

test('a frame that needs no check may hold any text, and other lines make it one to check', () => {
  const passes = (frame: string) => needNoCheck(latin1(frame))
  for (const text of ['', '"', '\\', '\\"}}', '\n\n', 'üé🙂\u2028', '{"type":"thread.created"}']) {
    expect([text, passes(`${delta(text)}\n\n`)]).toEqual([text, true])
  }
  for (const lines of [
    `${delta('a')}\ndata: ,"thread":{"id":"thr_bob"}}\n\n`,
    `${delta('a').slice(0, -3)}\ndata: b"}}\n\n`,
    `id: 1\n${delta('a')}\n\n`,
    `\ufeff${delta('a')}\n\n`,
  ]) {
    expect([lines, passes(lines)]).toEqual([lines, false])
  }
})

test('a chunk of very many frames passes as a whole, and is cut if it has a frame to check', () => {
  const many = `${delta('x'.repeat(100))}\n\n`.repeat(20_000)
  const passes = (chunk: string) => needNoCheck(latin1(chunk))
  expect(passes(many)).toBe(true)
  expect(passes(many.slice(0, -1))).toBe(false)
  expect(passes(`${many}${done}\n\n`)).toBe(false)
})

test('only the bytes of incomplete frames are held, and they are released with the frame', () => {
  const held: number[] = []
  const cutter = createFrameCutter(1024, (bytes) => held.push(bytes))
  for (const part of [`${delta('a')}\n\n`, 'data: {"ty', 'pe":"x"}', '\n\n']) {
    for (const _ of cutter.push(Buffer.from(part)));
  }
  expect(held).toEqual([10, 18, 20, 0])
})

test.each([
  ['[DONE]', 'data: [DONE]\n\n'],
  ['empty data', 'data:\n\n'],
  ['a ping', 'event: ping\ndata: {}\n\n'],
  ['a ping with text', 'event: ping\ndata: 2026-11-26\n\n'],
  ['JSON without a type', 'data: {"thread":{"id":"thr_1"}}\n\n'],
  ['JSON that is no object', 'data: [1]\n\n'],
  ['JSON that is broken', 'data: {"type":"thr\n\n'],
  ['bytes that are no UTF-8', Buffer.from('data: \xff\xfe\n\n', 'latin1')],
])('a frame that is no event ends nothing, and is left out: %s', async (_, frame) => {
  const { server, reader } = await startWritten()
  server.write(note('before'))
  server.write(frame)
  server.write(note('after'))
  server.end()
  expect(await rest(reader)).toBe(note('before') + note('after'))
})

test('a last frame without its empty line is passed on', async () => {
  const { server, reader } = await startWritten()
  server.write(note('before'))
  server.write(note('last').trimEnd())
  server.end()
  expect(await rest(reader)).toBe(note('before') + note('last'))
})

test('an event of 8 MB passes, and a picture in it', async () => {
  const { server, reader } = await startWritten()
  const picture = `data:image/png;base64,${'A'.repeat(8 * 1024 * 1024)}`
  const event = `data: ${JSON.stringify({ type: 'thread.item.done', item: { id: 'i', picture } })}\n\n`
  server.write(event)
  server.end()
  expect((await rest(reader)) === event).toBe(true)
})

test('a frame that comes byte by byte takes little more memory than its length', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const cutter = createFrameCutter(1024 * 1024, () => {})
  const used = () => {
    collect()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = used()
  const bytes = Buffer.from(`data: ${'x'.repeat(200_000)}`)
  for (let at = 0; at < bytes.length; at++) {
    for (const _ of cutter.push(bytes.subarray(at, at + 1))) throw new Error('no frame is whole')
  }
  expect(used() - before).toBeLessThan(10 * bytes.length)
  expect(cutter.rest().bytes.equals(bytes)).toBe(true)
})

test.each(['\ufeff', '\r\n\ufeff', '\n\ufeff\ufeff', '\r\r\ufeff\n\ufeff'])(
  'a frame is read behind empty lines and byte order marks, which a client ignores where a stream begins: %j',
  (before) => {
    const { text, data } = linesOf(Buffer.from(`${before}${done}\n\n`))
    expect(data).toBe(done.slice('data: '.length))
    expect(text).toBe(`${done}\n\n`)
  },
)

test.each([
  ['of text', note('two')],
  [
    'of a widget',
    'data: {"type":"thread.item.updated","item_id":"i","update":{"type":"widget.root.updated","widget":{"type":"Text","value":"hi"}}}\n\n',
  ],
])('a frame %s keeps the line that came in a chunk before it', async (_name, frame) => {
  const { server, reader } = await startWritten()
  server.write(`${note('one')}id: 7\n`)
  expect((await reader.read()).value).toBe(note('one'))
  server.end(frame)
  expect(await rest(reader)).toBe(`id: 7\n${frame}`)
})
