import { expect, it } from 'vitest'
import { collect } from '../../../src/chatkit/wire/pages.ts'

it.each([
  ['nothing', [], false, false],
  ['an entry', [{ id: 'a', value: 1 }], false, true],
  ['an entry that does not count', [{ id: 'a', value: undefined }], false, false],
  ['an entry that does not count, and more', [{ id: 'a', value: undefined }], true, true],
])(
  'a page with a limit of 0 says whether there are entries: %s',
  async (_name, entries, hasMore, expected) => {
    const page = await collect({ limit: 0 }, async () => ({ entries, hasMore }))
    expect(page).toEqual({ values: [], hasMore: expected })
  },
)
