import OpenAI from 'openai'
import { beforeAll, describe, expect, test } from 'vitest'
import { startChatKitApi } from '../../../src/embedded/chatkit-api/api.ts'
import { officialClient } from '../../support/chatkit/sdk.ts'
import { startThreadScene, type ThreadScene } from '../../support/chatkit/thread-scene.ts'
import { forAllTests } from '../../support/started.ts'
import { CALLS, THREADS } from './calls.ts'
import { BILLING, ONE_KEY } from './scene.ts'

/** Fields that differ from call to call. */
const DIFFERENT: readonly string[] = ['client_secret', 'expires_at']

/** The result of a call, without the fields that differ from call to call or from place to place. */
async function outcome(call: Promise<unknown>, among: readonly string[]): Promise<unknown> {
  const masked = (name: string, value: unknown): unknown => {
    if (DIFFERENT.includes(name) || among.includes(name)) return typeof value
    return typeof value === 'string' && value.startsWith('cksess_') ? 'a session' : value
  }
  try {
    return JSON.parse(JSON.stringify(await call, masked))
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error
    const { status, type, code, param, message } = error
    return { kind: error.constructor.name, status, type, code, param, message }
  }
}

/** Where the threads are, and the same threads there. A server of one's own makes ids by itself. */
const PLACES = {
  hosted: {
    workflow: 'support',
    masked: [],
    elsewhere: [] as readonly string[],
    config: (yaml: string) =>
      yaml.replace('id: wf_support', 'id: wf_support, tracing: { enabled: true }'),
    async seed({ projects }: ThreadScene) {
      return THREADS.map((thread) => projects.support.seedThread(thread)).map(({ id }) => [id, id])
    },
  },
  'self-hosted': {
    workflow: 'desk',
    /** Off unless it is asked for. */
    masked: ['tracing'],
    /** A server's protocol has one cursor, not two, and the records do not say which of two is unknown. */
    elsewhere: ['between a thread and none', 'items between one and none'] as readonly string[],
    config: (yaml: string) => yaml.replace('server: ', 'answers_to: [wf_support], server: '),
    async seed(scene: ThreadScene) {
      const aliases: string[][] = []
      for (const { id: alias, user, created_at: at, title, items } of THREADS) {
        const id = await scene.seed('desk', { user, at, items: items.length })
        const thread = scene.servers.desk.store.thread(id)
        thread.title = title
        aliases.push([alias, id], ...items.map((item, n) => [item.id, thread.items[n]?.id ?? '']))
        for (const [n, item] of thread.items.entries()) {
          Object.assign(item, { content: items[n]?.content })
        }
      }
      return aliases
    },
  },
} as const

describe.each(['hosted', 'self-hosted'] as const)(
  'with only base URL and key changed, a call about a %s workflow has the same answer',
  (kind) => {
    const { workflow, config, seed, masked, elsewhere } = PLACES[kind]
    const embedded = forAllTests(() => startChatKitApi({ port: 0 }))
    const scene = forAllTests(() =>
      startThreadScene({ workflows: [workflow], more: ONE_KEY, config }),
    )
    let aliases: string[][]
    beforeAll(async () => {
      aliases = await seed(scene)
      for (const thread of THREADS) embedded.api.seedThread(thread)
    })

    /** Names threads and items by the ids that they have in the other place. */
    const translating: typeof fetch = async (url, init) => {
      const asked = aliases.reduce(
        (all, [ours, own]) => all.replace(ours ?? '', own ?? ''),
        `${url}`,
      )
      const response = await fetch(asked, init)
      const text = await response.text()
      const told = aliases.reduce((all, [ours, own]) => all.replaceAll(own ?? '', ours ?? ''), text)
      return new Response(told, response)
    }

    test.each(CALLS.filter(([name]) => !elsewhere.includes(name)))('%s', async (_name, call) => {
      const api = officialClient(embedded.url).beta.chatkit
      const baseURL = `${scene.running.url}/v1`
      const ours = officialClient(baseURL, BILLING).withOptions({ fetch: translating })
      const expected = await outcome(call(api), masked)
      expect(await outcome(call(ours.beta.chatkit), masked)).toEqual(expected)
    })
  },
)
