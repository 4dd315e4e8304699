import { expect, test } from 'vitest'
import { pager } from '../../../src/console/view/paging.ts'

function cursorsOfLink(rel: 'next' | 'prev', of: Omit<Parameters<typeof pager>[0], 'base'>) {
  const html = String(pager({ base: '/list?q=a', ...of }))
  const href = new RegExp(`rel="${rel}" href="([^"]+)"`).exec(html)?.[1]?.replaceAll('&amp;', '&')
  const { searchParams } = new URL(href ?? '', 'https://chat.example.com')
  expect(searchParams.get('q')).toBe('a')
  return { after: searchParams.get('after'), trail: searchParams.get('trail')?.split('\n') }
}

test('a link names the cursors of the pages before, of whatever characters', () => {
  const [one, two, three] = ['a b', 'ü', 'c&d']
  const page = { after: three, trail: `${one}\n${two}`, next: 'e' }
  expect(cursorsOfLink('next', page)).toEqual({ after: 'e', trail: [one, two, three] })
  expect(cursorsOfLink('prev', page)).toEqual({ after: two, trail: [one] })
  expect(cursorsOfLink('prev', { ...page, trail: undefined })).toEqual({
    after: null,
    trail: undefined,
  })
})

test.each(['x', 'ü'])('a link far down a list of %s names only the latest cursors', (letter) => {
  const cursors = Array.from({ length: 30 }, (_, at) => letter.repeat(80) + at)
  const page = { after: 'last', trail: cursors.join('\n'), next: 'next' }
  const { after, trail = [] } = cursorsOfLink('next', page)
  expect(after).toBe('next')
  expect(trail).toEqual([...cursors, 'last'].slice(-trail.length))
  const { length } = encodeURIComponent(trail.join('\n'))
  expect(length).toBeLessThanOrEqual(2000)
  expect(length).toBeGreaterThan(1400)
})
