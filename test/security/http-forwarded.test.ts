import { afterEach, expect, test } from 'vitest'
import { expectProblem } from '../support/problem-answer.ts'
import { rawExchange, rawRequest } from '../support/raw-http.ts'
import { DEFAULT_CONFIG, type Running, startService, tokenFor } from '../support/running-service.ts'

// Failed attempts count for the right address. The limit is three.

let running: Running
afterEach(() => running.close())

async function start(proxies: string): Promise<void> {
  const config = DEFAULT_CONFIG.replace(
    /failed_auth_per_ip: .*/,
    'failed_auth_per_ip: { max: 3, seconds: 60 }',
  )
  running = await startService({ config: `${config}\n${proxies}\n` })
}

async function fail(...headers: string[]): Promise<number> {
  const all = ['Authorization: Bearer a.b.c', ...headers]
  const answer = await rawExchange(running.url, rawRequest('POST /v1/sessions', { headers: all }))
  if (answer.status === 429) expectProblem(answer, 429, 'rate_limited')
  else expectProblem(answer, 401, 'invalid_token')
  return answer.status
}

async function failures(headersOf: (at: number) => string[]): Promise<number[]> {
  const statuses: number[] = []
  for (let at = 1; at <= 5; at++) statuses.push(await fail(...headersOf(at)))
  return statuses
}

const FORWARDING = [
  'X-Forwarded-For',
  'X-Real-IP',
  'Forwarded',
  'Fly-Client-IP',
  'CF-Connecting-IP',
]

test('forwarding headers of a peer that is not a trusted proxy are ignored', async () => {
  await start('')
  const statuses = await failures((at) => FORWARDING.map((name) => `${name}: 192.0.2.${at}`))
  expect(statuses).toEqual([401, 401, 401, 429, 429])
})

test('those of a trusted proxy count, from the right', async () => {
  await start('trusted_proxies: [127.0.0.0/8]')
  const apart = await failures((at) => [`X-Forwarded-For: 192.0.2.${at}`])
  expect(apart).toEqual([401, 401, 401, 401, 401])
  // Entries that the client itself put on the left change nothing.
  const spoofed = await failures((at) => [`X-Forwarded-For: 198.51.100.${at}, 192.0.2.99`])
  expect(spoofed).toEqual([401, 401, 401, 429, 429])
})

test('a good token passes beside any number of bad ones', async () => {
  await start('')
  await failures(() => [])
  expect((await running.mint(tokenFor())).status).toBe(200)
})
