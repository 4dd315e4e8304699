import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ROOT } from '../docs/samples.ts'
import { startWatchedUpstream } from '../support/chatkit/watched-upstream.ts'
import { eventually } from '../support/eventually.ts'
import { type Member, startMember } from '../support/fleet.ts'
import { freePort } from '../support/network/listen.ts'
import { makeCertificates } from '../support/registry/certificates.ts'
import {
  allowDocumentedUser,
  DOCUMENTED_USER,
  documentedRules,
} from '../support/registry/documented-user.ts'
import { startRedis, wantsRedis } from '../support/registry/redis.ts'
import { forAllTests } from '../support/started.ts'

const WARN = 40

describe.runIf(wantsRedis())('the service and its Redis', () => {
  const upstream = forAllTests(() => startWatchedUpstream())
  let member: Member | undefined

  async function start(storeUrl: string, env: Readonly<Record<string, string>> = {}) {
    const started = await startMember({ store: storeUrl, upstream, env })
    member = started
    return started
  }

  const isReady = async (url: string) => (await fetch(`${url}/readyz`)).status
  const warnings = ({ log }: Member) =>
    log().filter(({ level, msg }) => Number(level) >= WARN && /redis/i.test(String(msg)))

  test('over TLS with an authority of its own, as the documented user: mints, revokes and lists', async () => {
    const port = await freePort()
    const certificates = makeCertificates()
    const options = [...certificates.options(port), '--appendonly', 'yes']
    const redis = await startRedis(options)
    await allowDocumentedUser(redis)
    const env = { NODE_EXTRA_CA_CERTS: certificates.authority }
    const { url, mint, revoke, admin } = await start(
      `rediss://${DOCUMENTED_USER}@127.0.0.1:${port}`,
      env,
    )
    await eventually(async () => expect(await isReady(url)).toBe(200))
    expect((await mint('alice')).status).toBe(200)
    expect((await revoke('alice', 60)).body.cancelled).toHaveLength(1)
    expect((await mint('alice')).code).toBe('user_blocked')
    const listed = await admin('GET /sessions?user=alice')
    expect(listed).toMatchObject({ status: 200, body: { data: [{ status: 'cancelled' }] } })
    expect(warnings(member as Member)).toEqual([])
    await redis.close()
  })

  test('without the authority: is not ready, mints nothing, and says why', async () => {
    const port = await freePort()
    upstream.api.clearRequests()
    const redis = await startRedis(makeCertificates().options(port))
    const { url, mint, revoke } = await start(`rediss://:hush@127.0.0.1:${port}`)
    expect(await isReady(url)).toBe(503)
    expect((await mint('alice')).code).toBe('store_unavailable')
    expect((await revoke('alice', 0)).code).toBe('store_unavailable')
    expect(upstream.api.requests()).toEqual([])
    const why = {
      address: `127.0.0.1:${port}`,
      cause: expect.stringContaining('SELF_SIGNED_CERT_IN_CHAIN'),
      msg: expect.stringContaining('NODE_EXTRA_CA_CERTS'),
    }
    // On a busy machine the first handshakes may take too long.
    const said = () => warnings(member as Member)
    await expect.poll(said).toContainEqual(expect.objectContaining(why))
    expect(member?.stdout()).not.toContain('hush')
    await redis.close()
  })

  test('as a user who may write, but not in a script: is not ready, and says so', async () => {
    const redis = await startRedis()
    const rules = documentedRules.filter((rule) => !rule.startsWith('+eval'))
    await redis.cli('acl', 'setuser', 'chatkit-mint', ...rules)
    const { url, mint } = await start(`redis://${DOCUMENTED_USER}@127.0.0.1:${redis.port}`)
    expect(await isReady(url)).toBe(503)
    expect((await mint('alice')).code).toBe('store_unavailable')
    const said = warnings(member as Member).find(({ msg }) =>
      /may not run a command/.test(`${msg}`),
    )
    expect(said).toMatchObject({ cause: expect.stringContaining('NOPERM') })
    await allowDocumentedUser(redis)
    await eventually(async () => expect(await isReady(url)).toBe(200))
    await redis.close()
  })
})

test('the documented user may run nothing that the service does not send', () => {
  const source = globSync('src/registry/redis/**/*.ts', { cwd: ROOT })
    .map((file) => readFileSync(join(ROOT, file), 'utf8'))
    .join('\n')
    // The probe runs every command only to see that it may.
    .replace(/const PROBE = script\(`[^`]*`\)/, '')
  expect(source).not.toContain("'ZCARD', probe")
  const commands = documentedRules.flatMap((rule) => (rule.startsWith('+') ? rule.slice(1) : []))
  expect(commands.length).toBeGreaterThan(20)
  expect(commands.filter((name) => !source.includes(`'${name.toUpperCase()}'`))).toEqual([])
})
