import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { createDemoLog } from '../../../src/commands/demo/log.ts'

function scene(adviseOn?: Parameters<typeof createDemoLog>[1]) {
  const output = new PassThrough({ encoding: 'utf8' })
  const log = createDemoLog(output, adviseOn)
  const write = (...lines: object[]) =>
    log.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  return { log, write, shown: (): string => output.read() ?? '' }
}

const request = (of: object) => ({ level: 30, msg: 'request', method: 'POST', ms: 1.6, ...of })

test('the log of the demo shows warnings as they are and nothing else, until requests are to be shown', () => {
  const { log, write, shown } = scene((code, route) => `${code} at ${route}`)
  const warning = { level: 40, msg: 'the store does not answer' }
  const minted = request({ route: '/v1/sessions', status: 200, workflow: 'support' })
  const limited = request({ route: '/v1/sessions', status: 429, code: 'rate_limited', reason: 'r' })
  write({ level: 30, msg: 'listening' }, warning, minted)
  expect(shown()).toBe(`${JSON.stringify(warning)}\n`)
  log.showRequests()
  write({ level: 30, msg: 'ready' }, minted, limited, warning)
  expect(shown().split('\n')).toEqual([
    'POST /v1/sessions 200 support (2 ms)',
    'POST /v1/sessions 429 rate_limited: r (rate_limited at /v1/sessions) (2 ms)',
    JSON.stringify(warning),
    '',
  ])
})

test('the log of the demo remembers the latest 200 requests by their id', () => {
  const { log, write } = scene()
  for (let at = 0; at <= 200; at++) write(request({ request_id: `req_${at}` }))
  const ids = ['req_0', 'req_1', 'req_200'].map((id) => log.requestOf(id)?.request_id)
  expect(ids).toEqual([undefined, 'req_1', 'req_200'])
})
