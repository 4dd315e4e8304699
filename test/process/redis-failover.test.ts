import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { eventually } from '../support/eventually.ts'
import { type Member, startMember } from '../support/fleet.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { PRIMARY, startReplica, untilConfirming } from '../support/registry/replica.ts'
import { startTcpProxy } from '../support/registry/tcp-proxy.ts'
import { forEachTest } from '../support/started.ts'

// The primary dies right after it has taken revokes, and its replica takes over.

const USERS = Array.from({ length: 50 }, (_, at) => `user-${at}`)
const AT_A_TIME = 5
/** Delay of the replica, in milliseconds; a revoke waits for it up to 300 ms. */
const LAG_MS = 200

describe.runIf(wantsRedis())('when the primary is killed after a revoke has answered', () => {
  const upstream = forEachTest(() => startWatchedUpstream())
  const primary = forEachTest(() => startRedis(PRIMARY))
  const address = forEachTest(() => startTcpProxy(primary.port))

  const start = (store: string) => startMember({ store, upstream })

  /** Few at a time, so that the last ones are answered right after they were written. */
  async function forEachUser(call: (user: string) => Promise<{ readonly status: number }>) {
    for (let at = 0; at < USERS.length; at += AT_A_TIME) {
      const answered = USERS.slice(at, at + AT_A_TIME).map((user) =>
        // A 503 may be repeated.
        eventually(async () => expect((await call(user)).status).toBe(200)),
      )
      await Promise.all(answered)
    }
  }

  /** The number of revoked users who can mint again or have a session that still works. */
  async function lostAt(member: Member): Promise<number> {
    await answered(() => member.mint('someone-else'))
    let lost = 0
    for (const user of USERS) {
      const { code } = await answered(() => member.mint(user))
      const list = `GET /sessions?user=${user}&status=active`
      const { body } = await answered(() => member.admin(list))
      const { data } = body as { data: readonly unknown[] }
      if (code !== 'user_blocked' || data.length > 0) lost++
    }
    return lost
  }

  /** Repeats a call that gets 503, which shows a slow store and not a lost revoke. */
  function answered<T extends { readonly status: number }>(call: () => Promise<T>): Promise<T> {
    return vi.waitFor(async () => {
      const answer = await call()
      expect(answer.status).not.toBe(503)
      return answer
    }, 10_000)
  }

  /** Returns the service, and the address of the replica. */
  async function revokeAndFailOver(query: string) {
    const slowly = await startTcpProxy(primary.port, LAG_MS)
    const replica = await startReplica(primary, slowly.port)
    onTestFinished(() => replica.close())
    const member = await start(`redis://127.0.0.1:${address.port}${query}`)
    await forEachUser(member.mint)
    await untilConfirming(primary)
    await forEachUser((user) => member.revoke(user, 3600))
    await primary.kill()
    slowly.close()
    await replica.cli('replicaof', 'no', 'one')
    address.aim(replica.port)
    return { member, url: replica.url }
  }

  test('with ?replicas=1 every revoke holds at the replica that takes over', async () => {
    const { member, url } = await revokeAndFailOver('?replicas=1')
    expect(await lostAt(member)).toBe(0)
    await member.close()
    expect(await lostAt(await start(url))).toBe(0)
  })

  test('without ?replicas=1, revokes that the replica does not have yet are lost', async () => {
    const { member } = await revokeAndFailOver('')
    const lost = await lostAt(member)
    const text = `without ?replicas, ${LAG_MS} ms behind: ${lost} of ${USERS.length} revokes lost`
    process.stdout.write(`${text}\n`)
    expect(lost).toBeGreaterThan(0)
  })
})
