import { Readable } from 'node:stream'
import { Agent, request } from 'undici'
import { afterAll, expect, test } from 'vitest'
import { startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { forAllTests } from '../support/started.ts'

const api = forAllTests(() => startChatKitApi({ port: 0 }))
const dispatcher = new Agent({ connections: 1 })
afterAll(() => dispatcher.destroy())

const headers = {
  authorization: 'Bearer sk-connections',
  'openai-beta': 'chatkit_beta=v1',
  'content-type': 'application/json',
}

async function post(path: string, body: string | Readable) {
  const url = new URL(path, api.url)
  const answer = await request(url, { method: 'POST', headers, dispatcher, body })
  return { status: answer.statusCode, body: await answer.body.json() }
}

const CREATE = '/v1/chatkit/sessions'
const create = (user: string) => JSON.stringify({ user, workflow: { id: 'wf_1' } })

function inPieces(text: string): Readable {
  return Readable.from(text.match(/.{1,50000}/g) ?? [], { objectMode: false })
}

test.each([
  ['a create of 300 KB', CREATE, () => create('x'.repeat(300_000))],
  ['the same without a declared length', CREATE, () => inPieces(create('x'.repeat(300_000)))],
  ['a create of 5 MB', CREATE, () => create('x'.repeat(5_000_000))],
  ['a thread of 17 MB', '/_embedded/threads', () => create('x'.repeat(17_000_000))],
])(
  '%s is answered with 413, and the connection serves the next call',
  async (_name, path, body) => {
    const refused = await post(path, body())
    expect(refused).toMatchObject({ status: 413, body: { error: { param: null } } })
    expect(await post(CREATE, create('small'))).toMatchObject({
      status: 200,
      body: { user: 'small' },
    })
  },
)
