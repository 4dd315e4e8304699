import { expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { fullThread } from '../../support/chatkit/seeds.ts'
import { API_KEY, DEFAULT_CONFIG, startService, tokenFor } from '../../support/running-service.ts'
import { forAllTests } from '../../support/started.ts'

// One service with two base URLs: a project with European data residency, and one without.

const OTHER_KEY = 'sk-test-european-key-0123456789abcd'
const europe = forAllTests(() => startChatKitApi({ port: 0 }))
const running = forAllTests(() =>
  startService({
    config: DEFAULT_CONFIG.replace(
      'workflows:\n',
      `workflows:\n  europe: { id: wf_europe, api_key_env: EUROPEAN_KEY, base_url: '${europe.url}/' }\n`,
    ),
    env: { EUROPEAN_KEY: OTHER_KEY },
  }),
)

const asAlice = (path: string, init: RequestInit = {}) =>
  fetch(running.url + path, {
    ...init,
    headers: { authorization: `Bearer ${tokenFor('alice')}`, 'content-type': 'application/json' },
  })

test('each workflow is called at its own base URL, with its own key, also to cancel', async () => {
  for (const workflow of ['europe', 'support']) {
    const body = JSON.stringify({ workflow })
    expect((await asAlice('/v1/sessions', { method: 'POST', body })).status).toBe(200)
  }
  expect((await asAlice('/v1/sessions', { method: 'DELETE' })).status).toBe(204)
  for (const [api, id, key] of [
    [europe.api, 'wf_europe', OTHER_KEY],
    [running.upstream, 'wf_support', API_KEY],
  ] as const) {
    expect(api.sessions()).toMatchObject([{ workflow: { id }, status: 'cancelled' }])
    const hints = api.requests().map(({ key_hint }) => key_hint)
    expect(hints).toEqual([`…${key.slice(-4)}`, `…${key.slice(-4)}`])
  }
})

test('threads of both are one list, and each is found where it is', async () => {
  const seed = (title: string) => ({ ...fullThread('alice'), title })
  const far = europe.api.seedThread(seed('far'))
  running.upstream.seedThread(seed('near'))
  const page = (await (await asAlice('/v1/threads')).json()) as { data: { title: string }[] }
  expect(page.data.map(({ title }) => title).toSorted()).toEqual(['far', 'near'])
  expect(await (await asAlice(`/v1/threads/${far.id}`)).json()).toMatchObject({ title: 'far' })
})
