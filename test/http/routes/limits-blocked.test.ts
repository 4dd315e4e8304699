import { afterEach, expect, test } from 'vitest'
import { ADMIN_CONFIG, revoke } from '../../support/admin-calls.ts'
import { HIGH_LIMITS, type Running, startService, tokenFor } from '../../support/running-service.ts'

let running: Running
afterEach(() => running.close())

const TWO_MINTS = 'limits: { mints_per_user: { max: 2, seconds: 60 } }'

test('over the limit a blocked user still learns that it is a block, and not to wait', async () => {
  running = await startService({ config: ADMIN_CONFIG.replace(HIGH_LIMITS, TWO_MINTS) })
  await revoke(running, 'alice', { block_seconds: 3600 })
  const codes: string[] = []
  for (let tries = 0; tries < 5; tries++) {
    const answer = await running.mint(tokenFor('alice'))
    codes.push(`${answer.status} ${/"code":"(\w+)"/.exec(await answer.text())?.[1]}`)
  }
  expect(codes).toEqual(Array(5).fill('403 user_blocked'))
  const others: number[] = []
  for (let tries = 0; tries < 3; tries++) others.push((await running.mint(tokenFor('bob'))).status)
  expect(others).toEqual([200, 200, 429])
})
