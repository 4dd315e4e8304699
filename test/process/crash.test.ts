import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, test } from 'vitest'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { eventually } from '../support/eventually.ts'
import {
  createsSeen,
  expectOnTheBooks,
  type Member,
  startMember,
  workingSessions,
} from '../support/fleet.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forEachTest } from '../support/started.ts'

// SIGKILL, and a start on the same SQLite file.

let folder: string
const upstream = forEachTest(() => startWatchedUpstream())
beforeEach(() => {
  folder = scratchFolder()
})

const start = (store = folder) =>
  startMember({ store: `sqlite:${join(store, 'mint.db')}`, upstream })

const isCancel = (request: Request) => request.url.endsWith('/cancel')
const hanging = () => new Promise<Response>(() => undefined)

describe('SIGKILL between block and cancel', () => {
  async function expectHeld(member: Member, sessions: readonly string[]): Promise<void> {
    upstream.instead = undefined
    upstream.api.clearRequests()
    expect(await member.mint('alice')).toMatchObject({ status: 403, code: 'user_blocked' })
    expect(createsSeen(upstream)).toBe(0)
    await expect.poll(() => workingSessions(upstream, 'alice'), { timeout: 10_000 }).toEqual([])
    for (const id of sessions) {
      const read = () => member.admin(`GET /sessions/${id}`)
      await expect.poll(read).toMatchObject({ body: { status: 'cancelled', user: 'alice' } })
    }
    const blocks = await member.admin('GET /blocks')
    expect(blocks.body).toMatchObject({ data: [{ user: 'alice' }] })
  }

  test('the upstream hangs, the revoke has no answer: the sessions end, the block holds', async () => {
    const first = await start()
    for (let at = 0; at < 5; at++) expect((await first.mint('alice')).status).toBe(200)
    expect((await first.mint('bob')).status).toBe(200)
    const sessions = workingSessions(upstream, 'alice')
    let cancels = 0
    upstream.instead = (request) => {
      if (!isCancel(request)) return undefined
      cancels++
      return hanging()
    }
    const unanswered = expect(first.revoke('alice', 3600)).rejects.toThrow()
    await expect.poll(() => cancels).toBe(5)
    await first.crash()
    await unanswered
    expect(workingSessions(upstream, 'alice')).toEqual(sessions)

    await expectHeld(await start(), sessions)
    expect(workingSessions(upstream, 'bob')).toHaveLength(1)
  })

  test('the upstream fails, the revoke says what it could not end: that ends after the restart', async () => {
    const first = await start()
    for (let at = 0; at < 3; at++) await first.mint('alice')
    const sessions = workingSessions(upstream, 'alice')
    upstream.instead = (request) =>
      isCancel(request) ? new Response(null, { status: 500 }) : undefined
    const revoked = await first.revoke('alice', 3600)
    expect(revoked.status).toBe(200)
    expect(revoked.body.cancelled).toEqual([])
    expect(new Set(revoked.body.cancelling)).toEqual(new Set(sessions))
    await first.crash()

    await expectHeld(await start(), sessions)
  })
})

describe('SIGKILL between create and answer', () => {
  test('a session that nobody was given is in no list, and a cancel that was asked for goes on', async () => {
    const first = await start()
    const made = await first.create('carol')
    expect(made.status).toBe(200)
    const { id } = made.body as { id: string }
    let cancels = 0
    upstream.instead = (request) => {
      if (!isCancel(request)) return Promise.resolve(upstream.api.app.fetch(request)).then(hanging)
      cancels++
      return hanging()
    }
    const calls = [first.create('alice'), first.mint('bob'), first.cancel(id)]
    const unanswered = Promise.all(calls.map((call) => expect(call).rejects.toThrow()))
    await expect.poll(() => upstream.api.sessions().length).toBe(3)
    await expect.poll(() => cancels).toBe(1)
    await first.crash()
    await unanswered

    upstream.instead = undefined
    const second = await start()
    await expect.poll(() => workingSessions(upstream, 'carol'), { timeout: 10_000 }).toEqual([])
    const again = await second.create('alice')
    const { id: held } = again.body as { id: string }
    const { body } = await second.admin('GET /sessions')
    expect((body as { data: object[] }).data).toMatchObject([
      { id: held, user: 'alice', status: 'active', issuer: 'key:fleet' },
      { id, user: 'carol', status: 'cancelled', issuer: 'key:fleet' },
    ])
    expect(await second.cancel(held)).toMatchObject({ status: 200, body: { status: 'cancelled' } })
    expect(await second.cancel(id)).toMatchObject({ status: 200, body: { status: 'cancelled' } })
  })
})

/** Users of the load: some are revoked, and their widgets go on asking. Every other one has a backend that asks. */
const USERS = Array.from({ length: 12 }, (_, at) => `user-${at}`)

/** Answers that arrived before the process was killed. */
interface Answered {
  readonly secrets: Map<string, string>
  /** With the sessions that the user held before. */
  readonly revoked: Map<string, readonly string[]>
}

describe('SIGKILL under load', () => {
  async function load(member: Member, answered: Answered): Promise<void> {
    const loop = async (user: string, { revokes, byKey }: Record<'revokes' | 'byKey', boolean>) => {
      for (let at = 0; ; at++) {
        const { status, secret } = byKey ? await member.create(user) : await member.mint(user)
        if (status === 200 && secret !== undefined) {
          if (answered.revoked.has(user)) throw new Error(`${user} minted after the revoke`)
          answered.secrets.set(secret, user)
        }
        if (!revokes || at !== 3) continue
        const held = heldBy(user, answered)
        if ((await member.revoke(user, 3600)).status === 200) answered.revoked.set(user, held)
      }
    }
    const loops = USERS.map((user, at) =>
      loop(user, { revokes: at % 3 === 0, byKey: at % 2 === 1 }),
    )
    await Promise.allSettled(loops).then((ends) => {
      for (const end of ends) {
        // A connection that the crash cut has a code; a mint after the revoke has none.
        if (end.status === 'rejected' && end.reason.code === undefined) throw end.reason
      }
    })
  }

  /** Sessions that clients hold. A session whose mint was never answered is not among them. */
  function heldBy(user: string, { secrets }: Answered): readonly string[] {
    const own = upstream.api.sessions().filter(({ client_secret: secret }) => secrets.has(secret))
    return own.filter((session) => session.user === user).map(({ id }) => id)
  }

  /** Measures the time until a start is ready. */
  async function timed(starting: Promise<Member>): Promise<{ member: Member; readyMs: number }> {
    const begun = performance.now()
    const member = await starting
    const ready = await fetch(`${member.url}/readyz`)
    expect(ready.status).toBe(200)
    return { member, readyMs: performance.now() - begun }
  }

  test('nothing that was answered is lost, and it is ready again as soon as a new one', async () => {
    const answered: Answered = { secrets: new Map(), revoked: new Map() }
    let member = await start()
    for (const [round, afterMs] of [150, 300, 450].entries()) {
      const loaded = load(member, answered)
      // In the middle of the load, however slow the machine is.
      await eventually(() => expect(answered.revoked.size).toBeGreaterThan(round))
      await sleep(afterMs)
      await member.crash()
      await loaded
      // Side by side, so that the machine is as busy for one as for the other.
      const [next, beside] = await Promise.all([timed(start()), timed(start(scratchFolder()))])
      expect(next.readyMs).toBeLessThan(2 * beside.readyMs)
      member = next.member
    }

    expect(answered.secrets.size).toBeGreaterThan(USERS.length)
    expect(new Set(answered.secrets.values())).toEqual(new Set(USERS))
    expect(answered.revoked.size).toBeGreaterThan(0)
    await expectOnTheBooks(member, upstream, answered.secrets)
    await expectRevoked(member, answered)
  })

  async function expectRevoked(member: Member, { revoked }: Answered): Promise<void> {
    upstream.api.clearRequests()
    for (const user of revoked.keys()) {
      expect(await member.mint(user)).toMatchObject({ status: 403, code: 'user_blocked' })
    }
    expect(createsSeen(upstream)).toBe(0)
    for (const [user, sessions] of revoked) {
      const working = () => workingSessions(upstream, user).filter((id) => sessions.includes(id))
      await expect.poll(working, { timeout: 10_000 }).toEqual([])
    }
  }
})
