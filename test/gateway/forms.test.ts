import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { judgeForm } from '../../src/gateway/files/forms.ts'
import { userId } from '../support/ids.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { startFiles } from './file-server.ts'
import { WORKFLOW } from './scene.ts'

/** A form with a file, and one more part whose head and body are given. */
const formWith = (head: string, body = 'thr_bob') =>
  `--b4a2e7d\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\nabc\r\n--b4a2e7d\r\n${head}\r\n\r\n${body}\r\n--b4a2e7d--\r\n`
const named = (name: string, more = '') => `Content-Disposition: form-data; name=${name}${more}`
/** The head of a part that is a file. */
const file = (field: string, name: string, type?: string) =>
  [named(`"${field}"`, `; filename="${name}"`), ...(type === undefined ? [] : [type])].join('\r\n')
const JSON_TYPE = 'Content-Type: application/json'
const TEXT_TYPE = 'Content-Type: text/plain'
const BLOB = file('params', 'blob', JSON_TYPE)
const TEXT_FILE = file('params', 'a.txt', TEXT_TYPE)
const BOBS = '{"thread_id":"thr_bob"}'
const UTF_7 = '+AHsAIg-thread_id+ACI-:+ACI-thr_bob+ACIAfQ-'
const MULTIPART = 'multipart/form-data; boundary=b4a2e7d'

async function startForms() {
  const uploads = await startFiles()
  const bob = { source: WORKFLOW, kind: 'thread', id: 'thr_bob', createdAt: 1 } as const
  await uploads.scene.registry.claimOwnership({ ...bob, user: userId('bob') })
  uploads.serve((_request, response) => response.writeHead(204).end())
  const { answered, origin, scene, session, seen, reachable } = uploads
  const made = { id: 'atc_1', upload_url: `${origin}/up` }
  const params = { name: 'a', size: 1, mime_type: 'image/png' }
  const { upload_url } = await answered(made, ['attachments.create', params])
  const link = reachable(String(upload_url))
  seen.length = 0
  const authorization = `Bearer ${session.secret}`
  return {
    ...uploads,
    toLink: (type: string, body: string) =>
      fetch(link, { method: 'POST', headers: { 'content-type': type }, body }),
    direct: (type: string, body: string) =>
      fetch(scene.url, { method: 'POST', headers: { 'content-type': type, authorization }, body }),
  }
}

test('a form is read without a copy of its bytes', async () => {
  const read: unknown[] = []
  const noting = class extends Response {
    constructor(body: Uint8Array<ArrayBuffer> | FormData, init?: ResponseInit) {
      super(body, init)
      read.push(body)
    }
  }
  vi.stubGlobal('Response', noting)
  onTestFinished(() => void vi.unstubAllGlobals())
  const bytes = new TextEncoder().encode(formWith(named('"title"')))
  await judgeForm(MULTIPART, bytes)
  expect(read[0]).toBe(bytes)
})

test('a form that names very many ids is refused before its next field is read', async () => {
  const ids = JSON.stringify({ attachment_ids: Array.from({ length: 1001 }, (_, at) => `a${at}`) })
  const next = `\r\n--b4a2e7d\r\n${named('"next"')}\r\n\r\n{'thread_id':'thr_bob'}`
  const judged = (body: string) =>
    judgeForm(MULTIPART, new TextEncoder().encode(formWith(named('"params"'), body)))
  await expect(judged(`{}${next}`)).rejects.toMatchObject({
    reason: expect.stringMatching(/only some servers/),
  })
  await expect(judged(`${ids}${next}`)).rejects.toMatchObject({
    reason: expect.stringMatching(/too many ids/),
  })
})

test.each(['"thread_id"', 'thread_id', '"thread_id[]"', '"thread[id]"', '"input[thread_id]"'])(
  'a form with the field %s of another user is read, and 404',
  async (name) => {
    const { toLink, direct, seen } = await startForms()
    for (const send of [toLink, direct]) {
      expectProblem(await answerOf(await send(MULTIPART, formWith(named(name)))), 404, 'not_found')
    }
    expect(seen).toEqual([])
  },
)

describe('a form that names a thing of another user reaches no server, however the field is spelled', () => {
  test.each([
    named('"threadId"'),
    named('"THREAD-ID"'),
    named('"thread_id[0]"'),
    named('"input.thread_id"'),
    named('"input[context][thread_id][]"'),
    named('"attachment_id"'),
    named('"thread_id"', `; filename*=UTF-8''x`),
    named('"thread_id"', '; filename=""'),
    named('"thread_id"', '; filename="x.txt"'),
    named('"a"', '; name="thread_id"'),
    named('"a"', `; name*=UTF-8''thread_id`),
    `${named('"a"')}\r\n${named('"thread_id"')}`,
    `CONTENT-DISPOSITION: FORM-DATA; NAME="thread_id"`,
    named("'thread_id'"),
    named('"thread\\_id"'),
    named('"thread%5Fid"'),
    named('"thread_id\0"'),
    named('"thread_id;x"'),
    named('"ｔhread_id"'),
    named('"form:thread_id"'),
    named('"$thread_id"'),
    named('"thread👍_id"'),
    named('"th\u200bread_id"'),
    named('"größe/thread_id"'),
    named(' "thread_id"'),
    `Content-Disposition: form-data;\r\n name="thread_id"`,
    `${named('"thread_id"')}\r\nContent-Transfer-Encoding: base64`,
  ])('%j', async (head) => {
    const { toLink, direct, seen } = await startForms()
    for (const send of [toLink, direct]) {
      const answer = await answerOf(await send(MULTIPART, formWith(head)))
      expect([400, 404]).toContain(answer.status)
      expectProblem(answer, answer.status, answer.status === 400 ? 'invalid_request' : 'not_found')
    }
    expect(seen).toEqual([])
  })

  test.each([
    ['JSON in a field', named('"params"'), '{"input":{"thread_id":"thr_bob"}}'],
    ['JSON with its type', `${named('"params"')}\r\n${JSON_TYPE}`, '[{"threadId":"thr_bob"}]'],
    ['JSON as a file, as a page sends it in a Blob', BLOB, '{"input":{"thread_id":"thr_bob"}}'],
    ['JSON behind a byte order mark', named('"params"'), `\ufeff${BOBS}`],
    ['JSON in a text of JSON', named('"params"'), JSON.stringify(BOBS)],
    ['JSON in which a key comes twice', named('"params"'), `{"thread_id":"thr_1",${BOBS.slice(1)}`],
    ['JSON that is too deep', named('"params"'), `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ...[
      '{"thread_id":"thr_bob","x":NaN}',
      '{"thread_id":"thr_bob",}',
      "{'thread_id':'thr_bob'}",
      '{threadId:"thr_bob"}',
      '/**/{"thread_id":"thr_bob"}',
      '{"thread_id":"thr_bob","x":"a\tb"}',
      '{"thre\\u0061d_id":"thr_bob",}',
      '{"attachment-ids" : ["thr_bob"],}',
      '\0{"thread_id":"thr_bob"}',
      '// x\n{"thread_id":"thr_bob"}',
      '#x\n{"thread_id":"thr_bob"}',
      '{thread_id=thr_bob}',
      ")]}'\n{thread_id:'thr_bob'}",
      "'{thread_id:1}'",
      '\u0001{"thread_id":"thr_bob"}',
      "({'thread_id':'thr_bob'})",
      '{"thread_id"/**/:"thr_bob"}',
      '{"thread_id"\u0001:"thr_bob"}',
      `{"thread_id"${' '.repeat(100)}:"thr_bob",}`,
      "{'\\x74hread_id':'thr_bob'}",
      "{'\\164hread_id':'thr_bob'}",
      "{'t\\hread_id':'thr_bob'}",
      "{'thr\\\nead_id':'thr_bob'}",
      "{'thr\\\r\nead_id':'thr_bob'}",
    ].map((text) => [`${text}, which only some servers read`, named('"params"'), text]),
    ['JSON as a file of text', TEXT_FILE, ' {"input":{"thread_id":"thr_bob"}}'],
    ['JSON as a file that begins with a control character', TEXT_FILE, `\u0001${BOBS}`],
    ['a file of text that only some servers read as JSON', TEXT_FILE, `/**/${BOBS}`],
    ['a name that Tomcat decodes', named('"x=?utf-8?B?dGhyZWFkX2lk?="'), 'thr_bob'],
    ['JSON as a file that begins with 2,000 spaces', TEXT_FILE, `${' '.repeat(2000)}${BOBS}`],
    ['JSON in UTF-16', BLOB, [...BOBS].map((character) => `${character}\0`).join('')],
    [
      'JSON in a file whose field only ends like a usual one',
      file('profile', 'blob', JSON_TYPE),
      BOBS,
    ],
    [
      'an id as a file without a name, which servers read as text',
      file('attachment', ''),
      'thr_bob',
    ],
    ['an id as a file whose name is blank', file('attachment', '\t '), 'thr_bob'],
    ['an id as a file whose name is only a folder', file('attachment', '/'), 'thr_bob'],
    ['JSON as a file without a name', file('file', ''), BOBS],
    ['the name of a field in the name of a file', file('picture', 'a; name=thread_id'), 'thr_bob'],
    ['the same in capital letters', file('picture', 'a; NAME=thread_id'), 'thr_bob'],
    ['a list in JSON as PHP reads it', named('"input"'), '{"threads":{"0":"thr_bob"}}'],
    ['JSON in UTF-7', `${BLOB}; charset=UTF-7`, UTF_7],
    ['JSON in EBCDIC', `${BLOB}; charset="IBM037"`, 'unreadable'],
    ['UTF-7 in a file without a name', file('file', '', `${TEXT_TYPE}; charset=utf-7`), UTF_7],
    ['the name of another charset', named('"_charset_"'), 'utf-7'],
    ['the name of another charset after that of UTF-8', named('"_charset_"'), 'utf-8,utf-7'],
    ['the name of another charset as a file', file('_charset_', 'x'), 'utf-7'],
    [
      'a form as a file',
      file('x', 'f', 'Content-Type: multipart/mixed; boundary=y'),
      `--y\r\n${named('"thread_id"')}\r\n\r\nthr_bob\r\n--y--`,
    ],
    [
      'a second value',
      named('"thread_id"'),
      `thr_1\r\n--b4a2e7d\r\n${named('"thread_id"')}\r\n\r\nthr_bob`,
    ],
  ])('%s', async (_name, head, body) => {
    const { toLink, direct, seen } = await startForms()
    for (const send of [toLink, direct]) {
      expect([400, 404]).toContain((await send(MULTIPART, formWith(head, body))).status)
    }
    expect(seen).toEqual([])
  })

  test.each([
    [256, 404],
    [257, 400],
  ])('a form that names %i threads of nobody is %i', async (count, status) => {
    const { direct, seen } = await startForms()
    const all = Array.from({ length: count }, (_, at) => ({ thread_id: `thr_${at + 10}` }))
    const answer = await direct(MULTIPART, formWith(named('"params"'), JSON.stringify(all)))
    expect([answer.status, seen]).toEqual([status, []])
  })

  test('a form without an end', async () => {
    const { toLink, direct, seen } = await startForms()
    const form = formWith(named('"x"')).replace('--b4a2e7d--', '')
    for (const send of [toLink, direct]) expect((await send(MULTIPART, form)).status).toBe(400)
    expect(seen).toEqual([])
  })

  test.each([
    ['application/x-www-form-urlencoded', 'thread_id=thr_bob', 404],
    ['application/x-www-form-urlencoded; charset=utf-8', 'a=1&thread%5Fid%5B%5D=thr_bob', 404],
    ['multipart/mixed; boundary=b4a2e7d', formWith(named('"thread_id"')), 415],
    ['multipart/form-data', formWith(named('"thread_id"')), 415],
    ['text/plain, multipart/form-data; boundary=b4a2e7d', formWith(named('"thread_id"')), 415],
    ['application/x-www-form-urlencoded,text/plain', 'thread_id=thr_bob', 415],
  ])('at a link, as %s', async (type, body, status) => {
    const { toLink, seen } = await startForms()
    expect((await toLink(type, body)).status).toBe(status)
    expect(seen).toEqual([])
  })
})

test.each([
  ['thread_id;x', 'x', 'can be read in several ways: "thread_id;x"'],
  ['meta', '{"a":1,"a":2}', 'in the field "meta"'],
  ['params[0]', '{thread_id:1}', 'in the field "params[0]"'],
  ['attachment', 'atc_0', 'an id of nobody: attachment "atc_0"'],
])('which field of a form is refused is in the log: %s', async (name, value, why) => {
  const { direct, scene } = await startForms()
  expect((await direct(MULTIPART, formWith(named(`"${name}"`), value))).status).not.toBe(200)
  expect(JSON.stringify(scene.lines.map(({ reason }) => reason ?? ''))).toContain(
    JSON.stringify(why).slice(1, -1),
  )
})

/** A form with this number of fields beside the file; all but the first have one name. */
function formOf(fields: number, name: string): string {
  const more = `--b4a2e7d\r\n${named(name)}\r\n\r\nx\r\n`.repeat(fields - 1)
  return formWith(named('"a"'), 'x').replace('--b4a2e7d--', `${more}--b4a2e7d--`)
}

test('a form of more than a hundred fields is refused before it is parsed, which takes seconds', async () => {
  const { toLink, direct, seen } = await startForms()
  expect((await toLink(MULTIPART, formOf(99, '"b"'))).status).toBe(204)
  const plain = 'application/x-www-form-urlencoded'
  expect((await toLink(plain, 'a=1&'.repeat(100))).status).toBe(204)
  expect(seen).toHaveLength(2)
  for (const send of [toLink, direct]) {
    // The last field alone would be 404.
    const many = formOf(100, '"thread_id"')
    expectProblem(await answerOf(await send(MULTIPART, many)), 400, 'invalid_request')
  }
  expect((await toLink(plain, `${'a=1&'.repeat(200)}thread_id=thr_bob`)).status).toBe(400)
  expect(seen).toHaveLength(2)
})

test.each([
  [
    'a part with a long head',
    MULTIPART,
    formWith(named('"a"', `; ${'x="y"; '.repeat(1200)}`)),
    400,
  ],
  ['a form without parts', 'application/x-www-form-urlencoded', `a=${'+'.repeat(262_143)}`, 413],
])('%s, which takes long to parse, is refused', async (_name, type, body, status) => {
  const { toLink, seen } = await startForms()
  expect((await toLink(type, body)).status).toBe(status)
  expect(seen).toEqual([])
})

test.each([
  ['a file of millions of escapes', { a: new File([`{${'\\x3'.repeat(1e6)}`], 'a.json') }, 40],
  ['a file of millions of NULs', { a: new File([`{${'\0a'.repeat(1e6)}`], 'a.json') }, 30],
  [
    'fields of many values',
    Object.fromEntries(
      Array(50)
        .entries()
        .map(([n]) => [`a${n}`, `[${'0,'.repeat(9000)}0]`]),
    ),
    40,
  ],
])('while %s is judged, other requests get their turns', async (_name, fields, least) => {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  const { headers, body } = new Response(form)
  const bytes = new Uint8Array(await new Response(body).arrayBuffer())
  let turns = 0
  const count = () => {
    turns++
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  try {
    await judgeForm(headers.get('content-type') ?? '', bytes)
  } finally {
    clearImmediate(next)
  }
  expect(turns).toBeGreaterThan(least)
})

/** Milliseconds to judge a form of one field that repeats a text, the fewest of three. */
async function costOf(repeated: string): Promise<number> {
  const form = new FormData()
  form.set('a', `{${repeated.repeat(128_000 / repeated.length)}`)
  const { headers, body } = new Response(form)
  const bytes = new Uint8Array(await new Response(body).arrayBuffer())
  const costs: number[] = []
  for (let run = 0; run < 3; run++) {
    const began = performance.now()
    await judgeForm(headers.get('content-type') ?? '', bytes)
    costs.push(performance.now() - began)
  }
  return Math.min(...costs)
}

test('names of ids with many blanks behind them are searched as fast as others', async () => {
  expect(await costOf(`thread${' '.repeat(98)}`)).toBeLessThan(20 * (await costOf('thread ')))
})

describe('a form of the caller’s own', () => {
  test('is written anew: the server reads what was checked, and nothing else', async () => {
    const { toLink, seen } = await startForms()
    const nested = `--y\r\n${named('"thread_id"')}\r\n\r\nthr_bob\r\n--y--`
    const head = `${named('"note"', `; x="thread_id"`)}\r\nX-More: thread_id\r\nContent-Type: multipart/mixed; boundary=y`
    const body = `preamble thr_bob\r\n${formWith(named('"thread_id"'), 'thr_1')}`.replace(
      '--b4a2e7d--',
      `--b4a2e7d\r\n${head}\r\n\r\n${nested}\r\n--b4a2e7d--\r\nepilogue`,
    )
    const answer = await toLink('multipart/form-data; boundary=b4a2e7d; boundary=y', body)
    if (answer.status !== 204) {
      // A parser that is strict about the preamble refuses the whole form.
      expect(answer.status).toBe(400)
      expect(seen).toEqual([])
      return
    }
    const [request] = seen
    const type = request?.headers['content-type'] ?? ''
    expect(type).not.toContain('boundary=b4a2e7d')
    expect(request?.body).not.toContain('X-More')
    expect(request?.body).not.toContain('epilogue')
    expect(request?.body).not.toContain('multipart/mixed')
    const form = await new Response(request?.body, { headers: { 'content-type': type } }).formData()
    expect([...form.keys()]).toEqual(['file', 'thread_id', 'note'])
  })

  test.each<readonly [string, string, string]>([
    ['a file in a field named attachment', file('attachment', 'a.png'), 'picture'],
    ['a file of JSON, which is the user’s own', file('file', 'log.json', JSON_TYPE), BOBS],
    ['a text in brackets', named('"title"'), '[draft] {x'],
    ['a text with a colon', named('"title"'), 'Attachment: x'],
    ['a text like an object', named('"title"'), '{my-thread: 1, threaded: 2}'],
    [
      'a file of another kind under a name of its own',
      file('scan', 'scan.txt', TEXT_TYPE),
      'see {thread_id: thr_bob}',
    ],
    ['lines of JSON of many values', file('scan', 'x'), '{"a":[1]}\n'.repeat(60_000)],
    ['the charset that browsers name', named('"_charset_"'), 'UTF-8'],
    ['an input for a file that was left empty', file('attachment', ''), ''],
    ['a file with a semicolon in its name', file('scan', 'a; b=1.png'), 'x'],
    [
      'a text whose type names its charset',
      file('scan', 'a.csv', 'Content-Type: text/csv;charset=utf-8;header=present'),
      'a,b',
    ],
    [
      'a file in a charset of its own',
      file('file', 'a.txt', `${TEXT_TYPE}; charset=shift_jis`),
      'x',
    ],
    ['JSON that names nothing', named('"meta"'), '{"a":[1,"b"]}'],
    ['JSON with a long number', named('"meta"'), '{"item_id":12345678901234567890}'],
    ['a text that names a thread and goes on in braces', named('"title"'), 'Thread: {weekly sync}'],
    ['a formula', named('"title"'), '{\\displaystyle \\text{a} \\xi \\upsilon_1}'],
    ['a text with code in it', named('"title"'), 'see f() { thread: 1 }, \\u0041'],
    ...['größe', 'ファイル', 'form:note', '$key', 'a/b', '@x', "it's", 'a&b', 'x*'].map(
      (name) => [`a field named ${name}`, named(`"${name}"`), 'x'] as const,
    ),
    ...['file0', 'files[]', 'attachments[]', 'attachment[0]', 'myFile', 'uploaded_image'].map(
      (name) =>
        [
          `a file of JSON in a field named ${name}`,
          file(name, 'log.json', JSON_TYPE),
          '{"thread_id":"thr_bob","thread_id":1}',
        ] as const,
    ),
    [
      'a saved page, which browsers call `multipart/related`',
      file('file', 'a.mht', 'Content-Type: multipart/related'),
      'MIME-Version: 1.0',
    ],
  ])('passes with %s', async (_name, head, body) => {
    const { toLink, seen } = await startForms()
    expect((await toLink(MULTIPART, formWith(head, body))).status).toBe(204)
    expect(seen).toHaveLength(1)
    expect(seen[0]?.body).toContain(body)
    expect(seen[0]?.body).toContain('filename="a.txt"')
  })

  test('a saved page passes to a link under the type that browsers give it', async () => {
    const { toLink, seen } = await startForms()
    expect((await toLink('multipart/related', 'MIME-Version: 1.0')).status).toBe(204)
    expect(seen).toMatchObject([{ body: 'MIME-Version: 1.0' }])
    expect(seen[0]?.headers['content-type']).toBe('multipart/related')
  })

  test('passes as application/x-www-form-urlencoded to a link', async () => {
    const { toLink, seen } = await startForms()
    const type = 'application/x-www-form-urlencoded'
    expect((await toLink(type, 'title=a+b%26&thread_id=thr_1')).status).toBe(204)
    expect(seen).toMatchObject([{ body: 'title=a+b%26&thread_id=thr_1' }])
    expect(seen[0]?.headers['content-type']).toMatch(/^application\/x-www-form-urlencoded/)
  })

  test('passes with a thread whose id is a number with more digits than JavaScript keeps', async () => {
    const { scene, toLink } = await startForms()
    const long = { source: WORKFLOW, kind: 'thread', id: '12345678901234567890' } as const
    await scene.registry.claimOwnership({ ...long, createdAt: 1, user: userId('alice') })
    const body = formWith(named('"thread_id"'), long.id)
    expect((await toLink(MULTIPART, body)).status).toBe(204)
  })
})
