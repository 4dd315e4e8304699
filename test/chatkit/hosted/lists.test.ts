import { beforeEach, describe, expect, test } from 'vitest'
import { threadId } from '../../support/ids.ts'
import { createScene } from './scene.ts'

const { upstream, adapter } = createScene(8)

describe('a list that is answered with 404', () => {
  beforeEach(() => {
    upstream.others = [{ kind: 'answer', status: 404 }]
  })

  test('is not read as an empty list: the request was refused', async () => {
    const refused = { code: 'upstream_rejected', reason: expect.stringMatching(/404/) }
    await expect(adapter().listThreads({ user: 'alice' })).rejects.toMatchObject(refused)
  })

  test.each(['after', 'before'])('blames the cursor in %s', async (name) => {
    const list = adapter().listThreads({ user: 'alice', [name]: 'cthr_gone' })
    await expect(list).rejects.toMatchObject({ code: 'invalid_request' })
  })

  test('blames the thread, where the list is of its items', async () => {
    const list = adapter().listThreadItems(threadId('cthr_gone'), { after: 'cthi_1' })
    await expect(list).rejects.toMatchObject({ code: 'not_found' })
  })
})

test('a list behind a byte order mark is read', async () => {
  const page = { object: 'list', data: [], first_id: null, last_id: null, has_more: false }
  upstream.others = [{ kind: 'answer', status: 200, body: `\ufeff${JSON.stringify(page)}` }]
  expect(await adapter().listThreads({ user: 'alice' })).toEqual(page)
})
