import { once } from 'node:events'
import { Agent, type Dispatcher, request } from 'undici'
import { expect, test } from 'vitest'
import { eachBounded } from '../../src/lib/concurrency.ts'
import { note, startScripted } from '../gateway/scripted-server.ts'
import { input } from '../support/chatkit/server-client.ts'
import { residentMb } from '../support/service-process.ts'
import { startInstance } from './instance.ts'

const STREAMS = 1000
const MOST_MB = 150
const FRAME = note('x')

test.runIf(process.platform === 'linux')(
  `each of ${STREAMS} open streams of a process delivers, and they cost less than ${MOST_MB} MB`,
  async ({ annotate }) => {
    const { url, opened } = await startScripted()
    const instance = await startInstance(url)
    const dispatcher = new Agent({ allowH2: false })
    const fresh = residentMb(instance.process)
    const secrets: string[] = []
    await eachBounded(
      Array.from({ length: STREAMS }, (_, at) => `user ${at}`),
      32,
      async (user) => {
        secrets.push(await instance.mint(user))
      },
    )
    const bodies: Dispatcher.ResponseData['body'][] = []
    const open = async (secret: string) => {
      const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' }
      const body = JSON.stringify({ type: 'threads.create', params: { input: input('hi') } })
      const answer = await request(instance.gateway, { method: 'POST', headers, body, dispatcher })
      expect(answer.statusCode).toBe(200)
      bodies.push(answer.body)
    }
    const minted = residentMb(instance.process)
    // Not all at once: on a busy machine the last of them would not be read within 5 s.
    await eachBounded(secrets, 100, open)
    expect(opened).toHaveLength(STREAMS)
    for (let round = 0; round < 3; round++) {
      const heard = bodies.map((body) => once(body, 'data'))
      for (const response of opened) response.write(FRAME)
      for (const [chunk] of await Promise.all(heard)) expect(String(chunk)).toBe(FRAME)
    }
    const loaded = residentMb(instance.process)
    const figures = [fresh, minted, loaded].map((megabytes) => megabytes.toFixed(0))
    await annotate(`MB when fresh, after the mints, with all streams: ${figures.join(', ')}`)
    // From the fresh process on: memory that the mints left free could hide what the streams take.
    expect(loaded - fresh).toBeLessThan(MOST_MB)
    const ended = bodies.map((body) => once(body.resume(), 'end'))
    for (const response of opened) response.end()
    await Promise.all(ended)
    await dispatcher.destroy()
  },
)
