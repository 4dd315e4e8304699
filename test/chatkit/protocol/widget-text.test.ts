import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type FileField, fileFieldsOfEvent } from '../../../src/chatkit/protocol/file-fields.ts'
import { addressesOfWidget, withAddresses } from '../../../src/chatkit/protocol/widget-text.ts'

const WORDS = [
  '/files/1.png',
  '/files/2.png',
  'https://a.example',
  'src',
  '"src":"/files/3.png"',
  'ü🙂',
  '/files/ü.png',
  '}}}',
]
const KEYS = [
  'src',
  'favicon',
  'type',
  'value',
  'children',
  'SRC',
  's"rc',
  'image',
  'url',
  'thread',
]
/** Fields beside the widget that the parser looks at. */
const BESIDE = ['content', 'image', 'url', 'component', 'task', 'sources', 'annotation']
const DATA_KEYS = ['onClickAction', 'payload', 'Data', 'data', 'action']

const { widget } = fc.letrec((tie) => ({
  widget: fc.dictionary(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...KEYS.slice(0, 5)) },
      fc.constantFrom(...KEYS),
      fc.constantFrom(...DATA_KEYS),
    ),
    fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...WORDS) },
      fc.string(),
      fc.constantFrom(1, null, true),
      tie('widget'),
      fc.array(tie('widget'), { maxLength: 3 }),
    ),
    { maxKeys: 5 },
  ),
}))

/** Pieces that a server, or a mistake in one, could write anywhere. */
const INSERTED = [
  '',
  ' ',
  '"',
  '\\u0073',
  ',"src":"/files/4.png"',
  ',"thread":{"id":"thr_bob"}',
  '"item" :',
  '\t',
  '\n\n',
  'é',
]

const written = fc
  .record({
    widget,
    beside: fc.oneof(
      { weight: 5, arbitrary: fc.constant({}) },
      fc.dictionary(fc.constantFrom(...BESIDE), widget, { minKeys: 1 }),
    ),
    aside: fc.oneof(
      { weight: 5, arbitrary: fc.constant({}) },
      fc.dictionary(fc.constantFrom('thread', 'item', 'items'), widget, { minKeys: 1 }),
    ),
    inserted: fc.oneof({ weight: 2, arbitrary: fc.constant('') }, fc.constantFrom(...INSERTED)),
    at: fc.nat(),
    isSpaced: fc.boolean(),
    isEscaped: fc.oneof({ weight: 5, arbitrary: fc.constant(false) }, fc.constant(true)),
  })
  .map(({ widget, beside, aside, inserted, at, isSpaced, isEscaped }) => {
    const update = { type: 'widget.root.updated', widget, ...beside }
    const event = { type: 'thread.item.updated', item_id: 'i', update, ...aside }
    const text = JSON.stringify(event, null, isSpaced ? 1 : 0).replaceAll(
      /\n\s*/g,
      isSpaced ? ' ' : '',
    )
    const compact = text.replaceAll(/([{[]) | ([}\]])/g, '$1$2')
    const escaped = isEscaped ? compact.replaceAll('/', '\\/') : compact
    const from = at % (escaped.length + 1)
    // Half a surrogate pair has no bytes in UTF-8.
    return (escaped.slice(0, from) + inserted + escaped.slice(from)).toWellFormed()
  })

function link(fields: readonly FileField[]): void {
  for (const { holder, key, url } of fields) {
    if (url.startsWith('/files/')) holder[key] = `L${url.slice(7)}`
  }
}

test('an event with a widget reads the same, whether its addresses are found in its text or by parsing it', () => {
  let found = 0
  fc.assert(
    fc.property(written, (text) => {
      const frame = Buffer.from(`data: ${text}\n\n`)
      const addresses = addressesOfWidget(frame.toString('latin1'))
      if (addresses === undefined) return
      link(addresses)
      const changed = withAddresses(frame, addresses)?.toString() ?? ''
      const quick = /^data: (.*)\n\n$/s.exec(changed)?.[1] ?? ''
      const event = parsed(text)
      if (event === undefined) return
      // The first of two fields of one name, too.
      expect(quick).not.toMatch(/"(?:src|favicon)"\s*:\s*"\/files\//)
      link(fileFieldsOfEvent(event))
      expect(JSON.parse(quick)).toEqual(event)
      expect(Object.keys(event)).toEqual(['type', 'item_id', 'update'])
      if (addresses.length > 0) found++
    }),
    { numRuns: 5000 },
  )
  expect(found).toBeGreaterThan(50)
})

test('the application’s own data is found in any case, also once V8 optimizes no regular expression', () => {
  const update = { type: 'widget.root.updated', widget: { Payload: { src: '/files/1.png' } } }
  const event = { type: 'thread.item.updated', item_id: 'i', update }
  const frame = JSON.stringify(`data: ${JSON.stringify(event)}\n\n`)
  const address = new URL('../../../src/chatkit/protocol/widget-text.ts', import.meta.url).href
  const program = `import { addressesOfWidget } from '${address}'; console.log(addressesOfWidget(${frame}))`
  const words = ['--no-regexp-optimization', '--input-type=module', '--eval', program]
  expect(execFileSync(process.execPath, words, { encoding: 'utf8' })).toBe('undefined\n')
})

test('an address that is not ASCII is left to the parser', () => {
  const frameWith = (src: string) => {
    const update = { type: 'widget.root.updated', widget: { type: 'Image', src, alt: 'Grüezi' } }
    const event = { type: 'thread.item.updated', item_id: 'i', update }
    return Buffer.from(`data: ${JSON.stringify(event)}\n\n`).toString('latin1')
  }
  expect(addressesOfWidget(frameWith('/files/u.png'))?.map(({ url }) => url)).toEqual([
    '/files/u.png',
  ])
  for (const src of ['/files/ü.png', 'é', '/files/🙂']) {
    expect([src, addressesOfWidget(frameWith(src))]).toEqual([src, undefined])
  }
})

function parsed(text: string): { readonly type: string } | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
