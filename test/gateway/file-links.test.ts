import { describe, expect, test, vi } from 'vitest'
import { input, type Json } from '../support/chatkit/server-client.ts'
import { threadId } from '../support/ids.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'
import { startFiles } from './file-server.ts'
import { rest, startWritten } from './scripted-server.ts'

const FILE = /^https:\/\/mint\.acme\.example\/chatkit\/helpdesk\?file=eyJ[\w-]+\.[\w-]+\.[\w-]+$/
const UPLOAD =
  /^https:\/\/mint\.acme\.example\/chatkit\/helpdesk\?upload=eyJ[\w-]+\.[\w-]+\.[\w-]+$/
const IN_THREAD = { id: 'i1', thread_id: 'thr_1', created_at: 1 }

/** Every field in which the protocol has the address of a file, with `url` as its value. */
const placesOf = (url: string): Json[] => [
  {
    type: 'user_message',
    content: [
      { type: 'input_text', text: url },
      { type: 'input_image', image_url: url },
      { type: 'image', url },
      { type: 'output_image', image: { url } },
      { type: 'image', preview_url: url },
      { type: 'image', src: url },
    ],
    attachments: [
      {
        id: 'atc_1',
        type: 'image',
        name: 'a.png',
        mime_type: 'image/png',
        preview_url: url,
        upload_url: url,
        upload_descriptor: { url, method: 'PUT', headers: {} },
      },
    ],
  },
  { type: 'generated_image', image: { id: 'g1', url } },
  { type: 'task', task: { type: 'image', url } },
  { type: 'workflow', workflow: { tasks: [{ type: 'image', image: { url } }] } },
  {
    type: 'widget',
    widget: {
      type: 'Card',
      status: { text: 'x', favicon: url },
      children: [[{ type: 'Row', children: [{ type: 'Image', src: url }] }]],
    },
  },
]
/** Number of addresses in {@link placesOf} that have a field of their own, instead of being part of a text. */
const FILES = 13

const itemsWith = (url: string) => placesOf(url).map((item) => ({ ...IN_THREAD, ...item }))
const page = (data: readonly object[]) => ({ data, has_more: false, after: null })
const thread = (items: readonly object[]) => ({ id: 'thr_1', created_at: 1, items: page(items) })
const textOf = (value: unknown) => JSON.stringify(value)

const GET_THREAD = ['threads.get_by_id', { thread_id: 'thr_1' }] as const
const SYNC = ['threads.sync_custom_action', { thread_id: 'thr_1', action: { type: 'x' } }] as const

describe('addresses under the server’s origin become links through the gateway', () => {
  test.each([
    ['a thread', GET_THREAD, thread, FILES],
    ['a page of items', ['items.list', { thread_id: 'thr_1' }], page, FILES],
    ['a page of threads', ['threads.list', {}], (items: object[]) => page([thread(items)]), FILES],
    ['a changed item', SYNC, (items: object[]) => ({ updated_item: items[1] }), 1],
  ] as const)('in %s', async (_name, request, wrap, links) => {
    const { answered, origin } = await startFiles()
    const answer = textOf(await answered(wrap(itemsWith(`${origin}/files/1.png?a=b`)), request))
    expect(answer.match(/\?(?:file|upload)=eyJ/g)).toHaveLength(links)
    expect(answer.replaceAll(`"text":"${origin}/files/1.png?a=b"`, '')).not.toContain(origin)
  })

  test.each(['thread.item.added', 'thread.item.done', 'thread.item.replaced'])(
    'in an event of type %s',
    async (type) => {
      const { streamed, origin } = await startFiles()
      const items = itemsWith(`${origin}/files/1.png`)
      const events = textOf(await streamed(...items.map((item) => ({ type, item }))))
      expect(events.match(/\?(?:file|upload)=eyJ/g)).toHaveLength(FILES)
      expect(events.replaceAll(`"text":"${origin}/files/1.png"`, '')).not.toContain(origin)
    },
  )

  test('in the threads of events, and in updates of items', async () => {
    const { streamed, origin } = await startFiles()
    const url = `${origin}/files/1.png`
    const update = (change: object) => ({
      type: 'thread.item.updated',
      item_id: 'i',
      update: change,
    })
    const events = await streamed(
      { type: 'thread.created', thread: { ...thread(itemsWith(url).slice(1, 2)), id: 'thr_new' } },
      { type: 'thread.updated', thread: thread(itemsWith(url).slice(1, 2)) },
      update({ type: 'generated_image.updated', image: { id: 'g1', url }, progress: 0.5 }),
      update({ type: 'widget.root.updated', widget: { type: 'Image', src: url } }),
      update({ type: 'widget.component.updated', component: { type: 'Image', src: url } }),
      update({ type: 'workflow.task.added', task: { type: 'image', image: { url } } }),
      update({ type: 'assistant_message.content_part.added', content: { type: 'image', url } }),
    )
    expect(events).toHaveLength(7)
    for (const event of events) expect(textOf(event).match(/\?file=eyJ/g)).toHaveLength(1)
    expect(textOf(events)).not.toContain(origin)
  })

  test.each([
    [['127.0.0.1', 'a.example'], true],
    [['a.example', 'INTERNAL', 7], true],
    [['files.internal:9000'], true],
    [['a.example', 'l', '.internal', 'es.internal', ''], false],
    [['127.0.0.1', 'mint.acme.example'], false],
    [[], false],
    [null, false],
  ])(
    'and where the server limits pictures to the domains %j, those of links are allowed if its own are',
    async (domains, isAdded) => {
      const workflow = { uploadUrl: 'https://files.internal:9000/up' }
      const { answered, streamed } = await startFiles({ workflow })
      const limited = { ...thread([]), allowed_image_domains: domains }
      const allowed_image_domains = isAdded ? [...(domains ?? []), 'mint.acme.example'] : domains
      const [updated] = await streamed({ type: 'thread.updated', thread: limited })
      const { data } = await answered(page([limited, limited]), ['threads.list', {}])
      for (const shown of [updated?.['thread'], ...(data as Json[]), await answered(limited)]) {
        expect(shown).toMatchObject({ allowed_image_domains })
      }
    },
  )

  test('for the purpose of each field, also relative addresses and those at the origin of `upload_url`', async () => {
    const workflow = { uploadUrl: 'https://files.internal:9000/up' }
    const { answered } = await startFiles({ workflow })
    for (const url of ['/files/1.png', 'https://files.internal:9000/1.png']) {
      const { items } = await answered(thread(itemsWith(url)))
      const [message, picture] = (items as { data: Json[] }).data
      expect(message?.['attachments']).toMatchObject([
        {
          preview_url: expect.stringMatching(FILE),
          upload_url: expect.stringMatching(UPLOAD),
          upload_descriptor: { url: expect.stringMatching(UPLOAD), method: 'PUT', headers: {} },
        },
      ])
      expect(picture?.['image']).toEqual({ id: 'g1', url: expect.stringMatching(FILE) })
    }
  })

  test('the headers of an upload descriptor reach the server as it wrote them, unless they are HTTP’s or ours', async () => {
    const { answered, origin, reachable, seen, serve } = await startFiles()
    serve((_request, response) => response.writeHead(204).end())
    const taken = { Authorization: 'Bearer x', 'x-chatkit-user': 'bob', 'Content-Length': '9' }
    const broken = { 'x a': '1', 'x-b': 'a\r\nb: c', 'x-c': 7, __proto__x: '1' }
    const headers = { 'X-Upload-Token': 'of the server', ...taken, ...broken }
    const made = (more: object) =>
      answered(
        {
          id: 'atc_1',
          upload_url: `${origin}/up`,
          upload_descriptor: {
            url: `${origin}/up`,
            method: 'PUT',
            headers: { ...headers, ...more },
          },
        },
        ['attachments.create', { name: 'a', size: 1, mime_type: 'image/png' }],
      )
    const put = async (attachment: Json) => {
      const { url } = attachment['upload_descriptor'] as { url: string }
      seen.length = 0
      const own = { 'x-upload-token': 'of the page', 'content-type': 'image/png' }
      const answer = await fetch(reachable(url), { method: 'PUT', body: 'abc', headers: own })
      expect(answer.status).toBe(204)
      return seen[0]?.headers ?? {}
    }
    const sent = await put(await made({}))
    expect(sent).toMatchObject({
      'x-upload-token': 'of the server',
      'x-chatkit-user': 'alice',
      'content-type': 'image/png',
      'content-length': '3',
      authorization: expect.stringMatching(/^Bearer eyJ/),
    })
    for (const name of ['x a', 'x-b', 'x-c', '__proto__x']) expect(sent).not.toHaveProperty(name)
    expect(await put(await made({ 'x-long': 'x'.repeat(1100) }))).not.toHaveProperty(
      'x-upload-token',
    )
  })

  test('the server’s own endpoint never becomes a link', async () => {
    const { answered, origin } = await startFiles()
    for (const path of [
      ...['/chatkit', '/chatkit/', '//chatkit?a', '/%63hatkit', '/x/../Chatkit#f'],
      ...['/chatkit;v=1', '/%2563hatkit', '/chatkit%20', '/chatkit%00', '/x%2f..%2fchatkit'],
      ...['/chatkit%3fx', '/chatkit/%252e', '/;a/chatkit;b/', '/x%5c..%5cchatkit%09'],
    ]) {
      const answer = textOf(await answered(thread(itemsWith(origin + path).slice(1))))
      expect(answer).not.toContain('chatkit/helpdesk')
      expect(answer).not.toContain(origin)
    }
    expect(textOf(await answered(thread(itemsWith(`${origin}/chatkit/files/1`))))).toContain(
      '?file=',
    )
  })
})

describe('a picture that a stream names again', () => {
  const update = (widget: object) => ({
    type: 'thread.item.updated',
    item_id: 'i',
    update: { type: 'widget.root.updated', widget },
  })
  const sourceOf = (event: Json | undefined) =>
    /"src":"([^"]+)"/.exec(textOf(event))?.[1] ?? 'no address'

  test('keeps its link, so that the page does not load it again, and another gets its own', async () => {
    const { streamed } = await startFiles()
    const pictures = ['/files/1.png', '/files/2.png', '/files/1.png']
    const events = await streamed(...pictures.map((src) => update({ type: 'Image', src })))
    const [first, second, again] = events.map(sourceOf)
    expect(first).toMatch(FILE)
    expect(second).toMatch(FILE)
    expect(second).not.toBe(first)
    expect(again).toBe(first)
  })

  test('has another link for another purpose or attachment', async () => {
    const { streamed } = await startFiles()
    const attachment = (id: string) => ({ id, preview_url: '/f/1', upload_url: '/f/1' })
    const item = { ...IN_THREAD, type: 'user_message', content: [] }
    const attachments = [attachment('atc_1'), attachment('atc_2')]
    const [event] = await streamed({ type: 'thread.item.done', item: { ...item, attachments } })
    const links = textOf(event).match(/\?(?:file|upload)=eyJ[^"]+/g) ?? []
    expect(new Set(links).size).toBe(4)
  })

  test('has another link in the next stream, and in each of many it has one', async () => {
    const { streamed } = await startFiles()
    const many = (from: number) =>
      Array.from({ length: 150 }, (_, at) =>
        update({ type: 'Image', src: `/files/${from + at}.png` }),
      )
    const first = (await streamed(...many(0), ...many(0))).map(sourceOf)
    const second = (await streamed(...many(0))).map(sourceOf)
    for (const source of [...first, ...second]) expect(source).toMatch(FILE)
    expect(second[0]).not.toBe(first[0])
  })

  test('has a new link after five minutes, long before the first one ends', async () => {
    const began = Date.now()
    const clock = vi.spyOn(Date, 'now').mockReturnValue(began)
    const { server, reader } = await startWritten()
    const linkAfter = async (seconds: number) => {
      clock.mockReturnValue(began + 1000 * seconds)
      server.write(`data: ${JSON.stringify(update({ type: 'Image', src: '/files/1.png' }))}\n\n`)
      return /\?file=[^"]+/.exec((await reader.read()).value ?? '')?.[0]
    }
    const first = await linkAfter(0)
    expect(await linkAfter(299)).toBe(first)
    const second = await linkAfter(300)
    expect(second).not.toBe(first)
    expect(await linkAfter(301)).toBe(second)
    clock.mockRestore()
  })
})

describe('a widget that a stream updates', () => {
  const PICTURE = { type: 'Image', src: '/files/1.png' }
  const frameOf = (widget: object) =>
    `data: ${textOf({
      type: 'thread.item.updated',
      item_id: 'i',
      update: { type: 'widget.root.updated', widget },
    })}\n\n`

  /** The frame that the client gets, with L for each link, and whether the gateway parsed it. */
  async function passed(frame: string | Buffer) {
    const { server, reader } = await startWritten()
    const parse = vi.spyOn(JSON, 'parse')
    server.write(frame)
    const { value = '' } = await reader.read()
    const isParsed = parse.mock.calls.some(([text]) => text.includes('widget.root.updated'))
    parse.mockRestore()
    server.end()
    return { frame: value.replaceAll(/https:[^"]+\?file=eyJ[\w.-]+/g, 'L'), isParsed }
  }
  const linked = (frame: string) => frame.replaceAll('/files/1.png', 'L')

  test('gets its links without being parsed, also when application data follows its pictures', async () => {
    const button = { type: 'Button', onClickAction: { type: 'x', payload: { id: 'ü' } } }
    for (const widget of [
      { ...PICTURE, type: 'Card' },
      { type: 'Card', children: [PICTURE, PICTURE, { type: 'Text', value: 'src' }, button] },
      { type: 'Card', children: [{ type: 'Text', value: 'none' }] },
    ]) {
      const frame = frameOf(widget)
      expect(await passed(frame)).toEqual({ frame: linked(frame), isParsed: false })
      const spaced = frame.replaceAll('":', '": ').replaceAll(',', ', ')
      expect(await passed(spaced)).toEqual({ frame: linked(spaced), isParsed: false })
    }
  })

  test('gets its links without being parsed when two of its frames come at once', async () => {
    const text = 'data: {"type":"progress_update","text":"é"}\n\n'
    const frames = text + frameOf(PICTURE) + frameOf({ ...PICTURE, alt: 'ü🙂' }) + text
    expect(await passed(frames)).toEqual({ frame: linked(frames), isParsed: false })
  })

  test('is parsed when it is not UTF-8, so that the client gets text that is', async () => {
    const frame = Buffer.from(frameOf({ ...PICTURE, alt: '\xff' }), 'latin1')
    expect(await passed(frame)).toEqual({ frame: linked(frame.toString()), isParsed: true })
  })

  test('is parsed when only the parsed event shows whether a text is an address', async () => {
    const action = { type: 'open', payload: PICTURE }
    const frame = frameOf({ type: 'Card', onClickAction: action, children: [PICTURE] })
    expect(await passed(frame)).toEqual({
      frame: frame.replace(/(children.*)\/files\/1\.png/, '$1L'),
      isParsed: true,
    })
    const escaped = frameOf(PICTURE).replace('"src"', '"\\u0073rc"').replace('/files', '\\/files')
    expect(await passed(escaped)).toEqual({ frame: linked(frameOf(PICTURE)), isParsed: true })
  })

  test('keeps the name, id and comments of its frame, and its data once', async () => {
    const { type, ...more } = JSON.parse(frameOf({ ...PICTURE, alt: '\u2028data: x' }).slice(6))
    const last = JSON.stringify(more).slice(1)
    const frame = `event: message\r\n: a\u2028data: b\rid: 7\ndata: {"type":"${type}",\ndata\ndata: ${last}\ndatas: 1\nretry: 9\n\n`
    const data = JSON.stringify({ type, ...more })
    expect((await passed(frame)).frame).toBe(
      linked(`event: message\n: a\u2028data: b\nid: 7\ndatas: 1\nretry: 9\ndata: ${data}\n\n`),
    )
  })

  test('is changed like any event when one of its addresses is removed', async () => {
    const frame = frameOf({
      type: 'Card',
      children: [{ type: 'Image', src: 'file:///a' }, PICTURE],
    })
    expect((await passed(frame)).frame).toBe(linked(frame.replace(',"src":"file:///a"', '')))
  })

  test.each([
    ['within an address', /1\.png.*/s],
    ['behind an address', /(?<=1\.png").*/s],
    ['before its end', /\}\}\n\n/],
  ])('is left out when it breaks off %s, with an empty line and without', async (_, broken) => {
    for (const end of ['', '\n\n']) {
      const { server, reader } = await startWritten()
      server.write(frameOf(PICTURE).replace(broken, end))
      server.end()
      expect(await rest(reader)).toBe('')
    }
  })
})

describe('the application’s own data', () => {
  test('is not changed, and frames without a file go on byte for byte', async () => {
    const { scene, alice, raw, origin } = await startFiles()
    const src = `${origin}/files/1.png`
    const event = (data: object) =>
      `data:  ${JSON.stringify(data, null, 1).replaceAll('\n', '')}\n\n`
    const action = { type: 'open', payload: { src, image: { url: src } } }
    const frames = [
      { type: 'thread.item.done', item: { ...IN_THREAD, type: 'widget', widget: { action } } },
      {
        type: 'thread.item.done',
        item: { ...IN_THREAD, type: 'client_tool_call', arguments: { src }, output: { url: src } },
      },
      { type: 'thread.updated', thread: { ...thread([]), metadata: { preview_url: src } } },
      { type: 'client_effect', name: 'show', data: { image: { url: src } } },
      { type: 'notice', level: 'info', message: `![](${src})` },
      { type: 'later.event', image: { url: src } },
    ]
      .map(event)
      .join('')
    raw(frames)
    const response = await alice(['threads.create', { input: input('hi') }])
    expect(await response.text()).toBe(frames)
    expect(JSON.stringify(scene.lines)).not.toContain('eyJ')
  })
})

describe('addresses elsewhere', () => {
  test.each([
    'https://pictures.example/1.png?signature=abc',
    'http://localhost:3000/1.png',
    'http://127.0.0.1/1.png',
    `https://b\u00fccher.example/${'\u672c'.repeat(200)}.png?q=${'%E6%9C%AC'.repeat(50)}`,
    `https://${'a'.repeat(60)}.${'b'.repeat(60)}.example/1.png`,
    'data:image/png;base64,iVBORw0KGgo=',
    `data:image/jpeg;base64,${'A'.repeat(100_000)}`,
  ])('that are safe pass: %.50s', async (url) => {
    const { answered } = await startFiles()
    const given = thread(itemsWith(url).slice(1))
    expect(await answered(given)).toEqual(given)
  })

  test.each([
    'javascript:alert(1)',
    ' JavaScript:alert(1)',
    'java\nscript:alert(1)',
    'data:text/html,<script>alert(1)</script>',
    'data:image/svg+xml,<svg onload=alert(1)>',
    'data:image/x+xml,<svg/>',
    'DATA:IMAGE/SVG+XML;base64,AAAA',
    'file:///etc/passwd',
    'blob:https://a.example/1',
    'filesystem:https://a.example/1',
    'ftp://a.example/1.png',
    'http://a.example/1.png',
    'http://169.254.169.254/latest',
    'https://',
    `https://a.example/${'a'.repeat(3000)}`,
    `https://${'\ufdfa'.repeat(100)}.example/`,
    ` \nHTTPS:${'\u00e9.'.repeat(50)}example`,
    `//${'%EF%B7%BA'.repeat(20)}/1.png`,
  ])('that no page may open are removed: %.50s', async (url) => {
    const { answered, streamed } = await startFiles()
    const items = itemsWith(url)
    const answer = (await answered(thread(items))) as { items: { data: Json[] } }
    const [message = {}, picture] = answer.items.data
    expect(picture).toEqual({ ...IN_THREAD, type: 'generated_image', image: { id: 'g1' } })
    expect(textOf({ ...message, content: [] })).not.toContain(textOf(url).slice(1, -1))
    expect(textOf(answer.items.data.slice(1))).not.toContain(textOf(url).slice(1, -1))
    const [event] = await streamed({ type: 'thread.item.done', item: items[1] })
    expect(event?.['item']).toEqual(picture)
  })

  test('an upload to a `data:` URL is removed, and a source that is a script', async () => {
    const { answered, streamed } = await startFiles()
    const source = (url: string) => ({ type: 'url', source: { type: 'url', url } })
    const annotations = ['javascript:alert(1)', 'http://a.example', 'mailto:a@b.example'].map(
      source,
    )
    const item = { ...IN_THREAD, content: [{ type: 'output_text', text: 'x', annotations }] }
    const { items } = await answered(thread([{ ...item, type: 'assistant_message' }]))
    expect(textOf(items)).not.toContain('javascript:')
    expect(textOf(items)).toContain('http://a.example')
    const update = (change: Json) => ({ type: 'thread.item.updated', item_id: 'i', update: change })
    const kind = 'assistant_message.content_part.annotation_added'
    const sources = [source('javascript:alert(1)').source]
    const events = await streamed(
      update({ type: kind, content_index: 0, annotation: source('javascript:alert(1)') }),
      update({ type: 'workflow.task.added', task: { type: 'web_search', sources } }),
    )
    expect(events).toHaveLength(2)
    expect(textOf(events)).not.toContain('javascript:')
    const attachment = { id: 'atc_9', upload_url: 'data:image/png;base64,AA==' }
    const params = { name: 'a', size: 1, mime_type: 'image/png' }
    expect(await answered(attachment, ['attachments.create', params])).toEqual({ id: 'atc_9' })
  })

  test('a widget that is nested deeper than any stack is searched, too', async () => {
    const { scene, alice, raw } = await startFiles()
    const depth = 20_000
    const deep = `${'{"children":['.repeat(depth)}{"src":"javascript:1"}${']}'.repeat(depth)}`
    const item = JSON.stringify({ ...IN_THREAD, type: 'widget', widget: 0 })
    raw(
      `data: {"type":"thread.item.done","item":${item.replace('"widget":0', `"widget":${deep}`)}}\n\n`,
    )
    const response = await alice(['threads.create', { input: input('hi') }])
    const text = await response.text()
    expect(text).not.toContain('javascript:')
    expect(scene.lines.filter(({ level }) => level === 50)).toEqual([])
  })
})

test('a thread’s items at /v1/threads show no address of the server, and other addresses unchanged', async () => {
  const { answer, origin, scene } = await startFiles()
  const elsewhere = 'https://cdn.acme.example/1.png'
  const id = threadId('thr_1')
  const shown = async (url: string) => {
    answer(page(itemsWith(url).map((item, at) => ({ ...item, id: `i${at}` }))))
    return textOf(await scene.chatkit.listThreadItems(id, {}))
  }
  expect((await shown(elsewhere)).split(elsewhere)).toHaveLength(11)
  const own = await shown(`${origin}/files/1.png`)
  expect(own.replace(`"text":"${origin}/files/1.png"`, '')).not.toContain(origin)
  expect(own).toContain('"preview_url":null')
  expect(own).toContain('A generated picture.')
})

test('addresses in a list that is an object with numbers as names, as PHP writes one with gaps, are found, too', async () => {
  const { answer, answered, origin, scene } = await startFiles()
  const image = { type: 'image', url: `${origin}/files/1.png` }
  const attachment = { id: 'atc_1', preview_url: image.url }
  const items = [
    { ...IN_THREAD, type: 'user_message', content: [], attachments: { 1: attachment } },
    { ...IN_THREAD, type: 'assistant_message', content: { 1: image } },
    { ...IN_THREAD, type: 'workflow', workflow: { tasks: { 1: image } } },
  ]
  expect(textOf(await answered(thread(items), GET_THREAD))).not.toContain(origin)
  answer(page(items))
  const { data } = await scene.chatkit.listThreadItems(threadId('thr_1'), {})
  expect(data).toHaveLength(3)
  expect(textOf(data)).not.toContain(origin)
})

/** Params with a message of this one part. */
const part = (content: Json): Json => ({ input: { ...input('hi'), content: [content] } })

describe('a message that names an address itself, which a server may show as it came', () => {
  const send = (content: Json, type: string) => {
    const params = { thread_id: 'thr_1', input: { ...input('hi'), content: [content] } }
    return [type, params] as const
  }

  test.each(['threads.create', 'threads.add_user_message'])(
    'is refused in %s when the address is under the server’s origin',
    async (type) => {
      const { alice, origin, seen } = await startFiles()
      for (const url of [`${origin}/admin/secret.png`, '/admin/secret.png', 'secret.png']) {
        for (const part of [
          { type: 'image', url },
          { type: 'input_image', image_url: { url } },
          { type: 'input_text', text: 'x', image: url },
          { type: 'input_text', text: 'x', image: { src: url } },
        ]) {
          expectProblem(await answerOf(await alice(send(part, type))), 400, 'invalid_request')
        }
      }
      expect(seen).toEqual([])
    },
  )

  test.each<[string, Json]>([
    ['Input', { Input: { content: [{ type: 'image', url: '/secret.png' }] } }],
    ['Content', { input: { ...input('hi'), Content: [{ type: 'image', url: '/secret.png' }] } }],
    ['URL', part({ type: 'image', URL: '/secret.png' })],
    ['Type', part({ type: 'input_text', text: 'x', Type: 'image', url: '/secret.png' })],
    ['Image', part({ type: 'input_text', text: 'x', Image: { url: '/secret.png' } })],
    ['imageUrl', part({ type: 'input_image', imageUrl: '/secret.png' })],
    ['\u017frc', part({ type: 'image', '\u017frc': '/secret.png' })],
    ['Data', part({ type: 'input_tag', Data: { URL: '/secret.png' } })],
  ])(
    'is refused with %s, which a server in Go reads as the field of the protocol',
    async (_name, more) => {
      const { alice, seen } = await startFiles()
      const asked = await alice(['threads.create', { input: input('hi'), ...more }])
      expectProblem(await answerOf(asked), 400, 'invalid_request')
      const added = { thread_id: 'thr_1', input: input('hi'), ...more }
      const answer = await answerOf(await alice(['threads.add_user_message', added]))
      expectProblem(answer, 400, 'invalid_request')
      expect(seen).toEqual([])
    },
  )

  test('is refused with more addresses than can be parsed in a moment', async () => {
    const { alice, seen } = await startFiles()
    const pictures = (count: number) => {
      const content = Array.from({ length: count }, (_, at) => ({
        ...{ type: 'input_image', image_url: `https://elsewhere.example/${at}.png` },
      }))
      return alice(['threads.create', { input: { ...input('hi'), content } }])
    }
    expect((await pictures(100)).status).toBe(200)
    expect(seen).toHaveLength(1)
    expectProblem(await answerOf(await pictures(101)), 400, 'invalid_request')
    expect(seen).toHaveLength(1)
  })

  test('reaches the server when it is text, or an address elsewhere', async () => {
    const { alice, origin, seen } = await startFiles()
    const parts = [
      { type: 'input_text', text: `${origin}/files/1.png` },
      { type: 'input_tag', id: 'a', text: 'x', data: { url: `${origin}/files/1.png` } },
      { type: 'input_tag', id: 'a', text: 'x', data: { URL: `${origin}/files/1.png`, Type: 1 } },
      { type: 'input_image', image_url: 'https://elsewhere.example/1.png' },
      { type: 'input_image', image_url: 'data:image/png;base64,AAAA' },
    ]
    for (const part of parts) {
      expect((await alice(send(part, 'threads.create'))).status).toBe(200)
    }
    expect(seen).toHaveLength(parts.length)
    // The application's own fields beside the message are no part of it.
    const page = { imageUrl: 'https://elsewhere.example/1.png', page: { Url: '/x', Type: 1 } }
    const asked = await alice(['threads.create', { input: input('hi'), ...page }])
    expect(asked.status).toBe(200)
    const message = { ...input('hi'), metadata: { ...page, thread: 'news' } }
    expect((await alice(['threads.create', { input: message }])).status).toBe(200)
  })
})
