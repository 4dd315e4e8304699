import { expect, test } from 'vitest'
import { REFERENCE_PAGES } from '../../src/commands/reference/pages.ts'
import { GUIDES } from '../../src/http/docs/list.ts'
import { guideText } from './samples.ts'

test.each(Object.entries(REFERENCE_PAGES))(
  '%s.md is what write-docs writes',
  async (name, make) => {
    expect(guideText(name), 'run: npm run write-docs').toBe(await make())
  },
)

test('every page that is made from the code is in the list under Reference', () => {
  const listed = GUIDES.find(({ heading }) => heading === 'Reference')?.guides ?? []
  expect(listed.map(({ name }) => name)).toEqual(
    expect.arrayContaining(Object.keys(REFERENCE_PAGES)),
  )
})
