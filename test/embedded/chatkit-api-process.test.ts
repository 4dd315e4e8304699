import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { request } from 'node:http'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { startChatKitApi } from '../../src/embedded/chatkit-api/api.ts'
import { CREDENTIALS } from '../support/chatkit/request.ts'
import { PREPARED } from '../support/service-process.ts'
import { forEachTest } from '../support/started.ts'

const COMMAND = fileURLToPath(new URL('../../src/commands/chatkit-api.ts', import.meta.url))

describe('who may connect', () => {
  const running = forEachTest(() => startChatKitApi({ port: 0 }))

  /** Node's own client, because fetch does not let one choose the Host. */
  async function answerFor(path: string, headers: Record<string, string>) {
    const sent = request(`${running.origin}${path}`, { headers, agent: false }).end()
    const [response] = await once(sent, 'response')
    return { status: response.statusCode as number, text: await text(response) }
  }

  const statusFor = async (path: string, headers: Record<string, string>) =>
    (await answerFor(path, headers)).status

  it.each([
    ['evil.example', 403],
    ['evil.example:8789', 403],
    ['127.0.0.1.evil.example', 403],
    ['localhost.evil.example', 403],
    ['10.0.0.1', 403],
    ['0.0.0.0', 403],
    ['localhost', 200],
    ['localhost:1234', 200],
    ['127.0.0.1', 200],
    ['127.8.9.1:80', 200],
    ['[::1]:8789', 200],
  ])('Host %s gets %i', async (host, status) => {
    expect(await statusFor('/v1/chatkit/threads', { ...CREDENTIALS, host })).toBe(status)
    expect(await statusFor('/_embedded/requests', { host })).toBe(status)
    expect(running.api.requests()).toHaveLength(status === 200 ? 1 : 0)
  })

  it.each([
    ['https://evil.example', 403],
    ['null', 403],
    ['http://localhost:3000', 200],
  ])('Origin %s gets %i', async (origin, status) => {
    expect(await statusFor('/_embedded/requests', { origin })).toBe(status)
  })

  it('says which of the two it refuses', async () => {
    const refusals = [
      [{ host: 'evil.example' }, 'This server answers only to loopback hosts.'],
      [{ origin: 'https://evil.example' }, 'This server answers only to loopback origins.'],
    ] as const
    for (const [headers, message] of refusals) {
      const { text: body } = await answerFor('/v1/chatkit/threads', { ...CREDENTIALS, ...headers })
      expect(JSON.parse(body)).toMatchObject({ error: { message } })
    }
  })
})

describe('npm run chatkit-api', () => {
  const children: ChildProcess[] = []
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
  })

  function run(port: string) {
    const child = spawn(process.execPath, [...PREPARED, COMMAND], {
      env: { ...process.env, PORT: port },
    })
    children.push(child)
    return child
  }

  async function firstLines(output: Readable): Promise<string> {
    let all = ''
    for await (const chunk of output) {
      all += String(chunk)
      if (all.includes('curl ')) break
    }
    return all
  }

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'says what it is, serves what it says, and ends with 0 on %s',
    async (signal) => {
      const child = run('0')
      const banner = await firstLines(child.stdout)
      expect(banner).toMatch(/memory only/)
      const url = /Base URL: (http:\/\/127\.0\.0\.1:\d+\/v1)/.exec(banner)?.[1]
      const curl = banner.split('\n').filter((line) => line.startsWith('curl '))
      expect(curl).toHaveLength(1)
      expect(curl[0]).toContain(`${url}/chatkit/sessions`)
      const answer = await fetch(`${url}/chatkit/threads`, { headers: CREDENTIALS })
      expect(await answer.json()).toMatchObject({ object: 'list', data: [] })
      const exited = once(child, 'exit')
      child.kill(signal)
      expect(await exited).toEqual([0, null])
    },
  )

  it('reports that the port is taken and exits 69', async () => {
    const running = await startChatKitApi({ port: 0 })
    const child = run(new URL(running.url).port)
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    await running.close()
    expect(code).toBe(69)
    expect(said).toMatch(/^chatkit-api: port \d+ is taken; set PORT to another\n$/)
  })

  it('reports that PORT is no port and exits 78', async () => {
    const child = run('http')
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])
    expect(code).toBe(78)
    expect(said).toMatch(/^chatkit-api: .*PORT/)
  })
})
