import { setTimeout } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { startMember } from '../support/fleet.ts'
import { openRaw, rawRequest } from '../support/raw-http.ts'
import { tokenFor } from '../support/running-service.ts'
import { forEachTest } from '../support/started.ts'

const upstream = forEachTest(() => startWatchedUpstream())
/** Longer than a body and a call of the API may take. */
const STANDS_STILL_MS = 10_500
const MINTS = 24

test.runIf(process.platform === 'linux')(
  'what arrived while the process stood still, as a paused container does, is not too late',
  async () => {
    const service = await startMember({ upstream })
    const asked = Promise.withResolvers<void>()
    const answer = Promise.withResolvers<void>()
    let calls = 0
    upstream.instead = async (request) => {
      if (++calls === MINTS) asked.resolve()
      await answer.promise
      return upstream.api.app.fetch(request)
    }
    const mints = Array.from({ length: MINTS }, (_, at) => service.mint(`user-${at}`))
    await asked.promise
    const open = await openRaw(service.url)
    const json = 'Content-Type: application/json'
    const headers = [`Authorization: Bearer ${tokenFor('bob')}`, json, 'Content-Length: 2']
    open.send(rawRequest('POST /v1/sessions', { headers }))
    // Answered after the request before it has been taken.
    await service.statusOf('/livez')
    service.child.kill('SIGSTOP')
    answer.resolve()
    open.send('{}')
    await setTimeout(STANDS_STILL_MS)
    service.child.kill('SIGCONT')
    const statuses = (await Promise.all(mints)).map(({ status }) => status)
    expect(statuses).toEqual(Array(MINTS).fill(200))
    expect((await open.next()).status).toBe(200)
    expect((await service.mint('carol')).status).toBe(200)
  },
  60_000,
)
