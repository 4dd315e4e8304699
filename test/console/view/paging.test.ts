import { expect, test } from 'vitest'
import { forwardPager } from '../../../src/console/view/paging.ts'

test('the address of a page far down a list names only the latest 25 cursors', () => {
  const trail = Array.from({ length: 25 }, (_, at) => `c${at}`).join(' ')
  const html = String(forwardPager({ base: '/list', after: 'c25', trail, older: 'c26' }))
  const href = /rel="next" href="([^"]+)"/.exec(html)?.[1]?.replace('&amp;', '&') ?? ''
  const { searchParams } = new URL(href, 'https://chat.example.com')
  const latest = Array.from({ length: 24 }, (_, at) => `c${at + 2}`)
  expect(searchParams.get('trail')?.split(' ')).toEqual(latest)
  expect(searchParams.get('after')).toBe('c26')
})
