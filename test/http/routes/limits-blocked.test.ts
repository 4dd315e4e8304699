import { expect, test } from 'vitest'
import { ADMIN_CONFIG, revoke } from '../../support/admin-calls.ts'
import { HIGH_LIMITS, startService, tokenFor } from '../../support/running-service.ts'

const TWO_MINTS = 'limits: { mints_per_user: { max: 2, seconds: 60 } }'

test('a rate limit is judged before body, workflow and block, for a blocked user too', async () => {
  const running = await startService({ config: ADMIN_CONFIG.replace(HIGH_LIMITS, TWO_MINTS) })
  await revoke(running, 'alice', { block_seconds: 3600 })
  const codes: string[] = []
  for (const body of [undefined, undefined, undefined, '{"workflow":"none"}', '{']) {
    const headers = { 'content-type': 'application/json' }
    const answer = await running.mint(
      tokenFor('alice'),
      body === undefined ? {} : { body, headers },
    )
    codes.push(`${answer.status} ${/"code":"(\w+)"/.exec(await answer.text())?.[1]}`)
  }
  const limited = '429 rate_limited'
  expect(codes).toEqual(['403 user_blocked', '403 user_blocked', limited, limited, limited])
  const others: number[] = []
  for (let tries = 0; tries < 3; tries++) others.push((await running.mint(tokenFor('bob'))).status)
  expect(others).toEqual([200, 200, 429])
})
