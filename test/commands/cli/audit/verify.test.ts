import { hash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { checkChains } from '../../../../src/commands/cli/audit/check-chains.ts'
import { outOfOrder } from '../../../../src/commands/cli/audit/out-of-order.ts'
import {
  type AuditEntry,
  entryHash,
  erasedEntry,
  isChained,
} from '../../../../src/registry/audit-entry.ts'
import { createAuditQueue } from '../../../../src/registry/audit-queue.ts'
import { presentAuditEntry } from '../../../../src/respond/views.ts'
import { recordingLog, stoppedClock } from '../../../support/issuer-settings.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { quickCli } from '../run-cli.ts'

type Wire = ReturnType<typeof presentAuditEntry>

/** Entries of one instance, oldest first, as the store gets them. */
async function entriesOf(count: number): Promise<readonly AuditEntry[]> {
  const entries: AuditEntry[] = []
  const registry = {
    appendAudit: async (more: readonly AuditEntry[]) => void entries.push(...more),
    listAudit: async () => undefined,
  }
  const queue = createAuditQueue({ registry, now: stoppedClock().now, log: recordingLog().log })
  for (let n = 0; n < count; n++) {
    const user = n % 7 === 0 ? undefined : `user-${n}`
    const of = { id: `aud_${n}`, at: 1_800_000_000 + n, actor: `issuer|${n}`, action: 'mint', user }
    const reason = n % 5 === 0 ? undefined : 'Grüße "😀"'
    queue.note({ ...of, outcome: 'ok', reason, requestId: `req_${n}`, byUser: n % 3 === 0 })
    if (n % 5000 === 0) await queue.flush()
  }
  await queue.flush()
  return entries
}

/** Newest first, as the list of the audit has them. */
const shown = (entries: readonly AuditEntry[]) => entries.map(presentAuditEntry).toReversed()

/** The right hash of a changed entry; anybody who changes an entry can compute it. */
const rehashed = (entry: Wire): Wire => {
  const { request_id: requestId, instance, seq, prev, salt, by_user: byUser, ...same } = entry
  const chain = {
    instance: instance ?? '',
    seq: seq ?? 0,
    byUser: byUser ?? false,
    erased: undefined,
  }
  const full = { ...same, requestId, chain: { ...chain, prev: prev ?? undefined, salt } }
  const none = (value: unknown) => (value === null ? undefined : value)
  return {
    ...entry,
    hash: entryHash(JSON.parse(JSON.stringify(full), (_key, value) => none(value))),
  }
}

let one: readonly Wire[]
let two: readonly Wire[]
beforeAll(async () => {
  ;[one, two] = [shown(await entriesOf(40)), shown(await entriesOf(9))]
})

/** The list with a change made to the entry of a seq. */
const changed = (seq: number, change: (entry: Wire) => readonly Wire[]) =>
  one.flatMap((entry) => (entry.seq === seq ? change(entry) : [entry]))

const faultsIn = (entries: readonly unknown[]) =>
  checkChains(entries).faults.map(({ kind, id, seq }) => [kind, id, seq])

describe('entries of the audit', () => {
  test('of several instances, mixed, are unbroken', () => {
    const mixed = [...one.slice(0, 20), ...two, ...one.slice(20)]
    const { instances, faults, unchained } = checkChains(mixed)
    expect({ faults, unchained }).toEqual({ faults: [], unchained: 0 })
    expect(instances.map(({ entries, firstSeq, lastSeq }) => [entries, firstSeq, lastSeq])).toEqual(
      [
        [40, 1, 40],
        [9, 1, 9],
      ],
    )
  })

  test('are unbroken where the retention has dropped the beginning, and where users were erased', async () => {
    const erased = (await entriesOf(40)).map((entry, at) =>
      at % 2 === 0 && isChained(entry) ? erasedEntry(entry) : entry,
    )
    const { instances, faults } = checkChains(shown(erased.slice(13)))
    expect(faults).toEqual([])
    expect(instances).toMatchObject([{ entries: 27, firstSeq: 14, lastSeq: 40, erased: 13 }])
  })

  test.each<[string, (entry: Wire) => Wire]>([
    ['another user', (entry) => ({ ...entry, user: 'user-99' })],
    ['no user', (entry) => ({ ...entry, user: null })],
    ['a reason', (entry) => ({ ...entry, reason: 'grüße "😀"' })],
    ['another actor', (entry) => ({ ...entry, actor: 'issuer|98' })],
    ['another action', (entry) => ({ ...entry, action: 'revoke' })],
    ['another outcome', (entry) => ({ ...entry, outcome: 'failed' })],
    ['another time', (entry) => ({ ...entry, at: entry.at + 1 })],
    ['another request', (entry) => ({ ...entry, request_id: null })],
    ['another hash before it', (entry) => ({ ...entry, prev: entry.hash })],
    ['another salt', (entry) => ({ ...entry, salt: 'x' })],
  ])('with %s are found, also where the hash was made to fit', (_name, change) => {
    for (const seq of [2, 21, 39]) {
      const id = `aud_${seq - 1}`
      expect(faultsIn(changed(seq, (entry) => [change(entry)]))).toEqual([['changed', id, seq]])
      const fitting = changed(seq, (entry) => [rehashed(change(entry))])
      expect(faultsIn(fitting)).toEqual([['changed', id, seq]])
    }
  })

  const many = (count: number) =>
    Array.from({ length: count }, (_, at) => ({ ...one[0], seq: count - at }))

  // One is as it was.
  test('are all found where more are changed than a call has room for arguments', () => {
    expect(checkChains(many(150_000)).faults).toHaveLength(149_999)
  })

  test('are counted where more are changed than a table has room for', async () => {
    const input = many(1100)
      .map((entry) => JSON.stringify(entry))
      .join('\n')
    const { code, out, err } = await quickCli(['audit', 'verify'], {}, { input })
    expect({ code, err }).toEqual({ code: 1, err: expect.stringContaining('1099 faults') })
    expect(err).toContain('The first 1000 faults; --json prints all.')
    expect(out.match(/changed/g)).toHaveLength(1000)
  })

  test.each<[string, (entry: Wire) => object]>([
    ['an erase that took only the salt', (entry) => ({ ...entry, salt: null })],
    ['an actor that is a digest', (entry) => ({ ...entry, actor: entry.hash })],
    [
      'a salt beside erased digests',
      (entry) => ({ ...entry, erased: { actor: null, user: null, reason: null } }),
    ],
    ['a member less', ({ reason: _, ...entry }) => entry],
    ['a seq that is text', (entry) => ({ ...entry, seq: String(entry.seq) })],
    ['no place in the chain', (entry) => ({ ...entry, seq: null })],
  ])('that are not whole are found: %s', (_name, change) => {
    const found = faultsIn(changed(21, (entry) => [change(entry) as Wire]))
    expect(found[0]?.slice(0, 2)).toEqual(['changed', 'aud_20'])
  })

  const digest = (text: string) => hash('sha256', text, 'base64url')

  // The hash of an erased entry is that of its digests, and a digest in place of the actor hashes as the actor did.
  test.each<[string, number, (entry: Wire) => object]>([
    ['a user beside an erased one', 7, () => ({ user: 'user-99' })],
    ['a reason beside an erased one', 7, () => ({ reason: 'lost phone' })],
    ['an actor beside an erased one', 7, () => ({ actor: 'issuer|98' })],
    [
      'an erased actor where the actor was another than the user',
      5,
      ({ erased }) => ({ erased: { ...erased, actor: digest('x') } }),
    ],
    [
      'a digest as its actor',
      10,
      ({ salt, actor }) => ({ actor: digest(`${salt}.actor.${actor}`), by_user: false }),
    ],
    [
      'the look of an erased one',
      36,
      () => ({ erased: { actor: null, user: digest('x'), reason: null } }),
    ],
    ['no salt', 36, () => ({ salt: null })],
  ])('that got %s are found, although their hash is the same', async (_name, seq, change) => {
    const half = (await entriesOf(40)).map((entry, at) =>
      at % 2 === 0 && isChained(entry) ? erasedEntry(entry) : entry,
    )
    const list = shown(half)
    expect(faultsIn(list)).toEqual([])
    const forged = list.map((entry) => (entry.seq === seq ? { ...entry, ...change(entry) } : entry))
    expect(faultsIn(forged)).toEqual([['changed', `aud_${seq - 1}`, seq]])
  })

  test('that are missing are named, and so is a run of them', () => {
    expect(faultsIn(changed(21, () => []))).toEqual([['missing', null, 21]])
    const without = one.filter(({ seq }) => seq !== null && (seq < 10 || seq > 12))
    expect(checkChains(without).faults).toEqual([
      { kind: 'missing', id: null, instance: one[0]?.instance, seq: 10, upto: 12 },
    ])
  })

  test('that cannot be read are not missing too, and hide nothing that is', () => {
    const unreadable = changed(5, ({ reason: _, ...entry }) => [entry as Wire])
    expect(faultsIn(unreadable)).toEqual([['changed', 'aud_4', 5]])
    const others = two.filter(({ seq }) => seq !== 5)
    expect(faultsIn([...unreadable, ...others])).toEqual([
      ['changed', 'aud_4', 5],
      ['missing', null, 5],
    ])
    const run = unreadable.filter(({ seq }) => seq !== 6 && seq !== 7)
    expect(checkChains(run).faults).toMatchObject([
      { kind: 'changed', seq: 5 },
      { kind: 'missing', seq: 5, upto: 7 },
    ])
  })

  test('that were put in between are found: with a seq of another, twice, or without a chain', () => {
    const forged = (entry: Wire) => rehashed({ ...entry, id: 'aud_forged', user: 'mallory' })
    expect(faultsIn(changed(21, (entry) => [entry, forged(entry)]))).toEqual([
      ['inserted', 'aud_forged', 21],
    ])
    expect(faultsIn(changed(21, (entry) => [forged(entry), entry]))).toEqual([
      ['inserted', 'aud_forged', 21],
    ])
    expect(faultsIn(changed(21, (entry) => [entry, entry]))).toEqual([['inserted', 'aud_20', 21]])
    const none = { instance: null, seq: null, prev: null, hash: null, salt: null, by_user: null }
    const old = (entry: Wire) => ({ ...entry, ...none, id: 'aud_old' })
    expect(faultsIn(changed(21, (entry) => [entry, old(entry)]))).toEqual([
      ['inserted', 'aud_old', null],
    ])
    const older = one.slice(0, 3).map(old)
    expect(checkChains([...one, ...older])).toMatchObject({ unchained: 3, faults: [] })
  })

  test('that are out of place are found, and only those', () => {
    const [moved] = one.slice(5, 6)
    const elsewhere = [...one.slice(0, 5), ...one.slice(6, 30), moved, ...one.slice(30)]
    expect(faultsIn(elsewhere)).toEqual([['reordered', moved?.id, moved?.seq]])
    expect(outOfOrder([1, 2, 9, 3, 4, 0, 5])).toEqual([2, 5])
    expect(outOfOrder([])).toEqual([])
  })

  test('one changed byte, a missing and an inserted entry in 100,000 are found, wherever they are', async () => {
    const many = shown(await entriesOf(100_000))
    const places = [0, 50_000, 99_998]
    const [taken, doubled] = [many[40_000], many[60_000]]
    const forged = doubled && rehashed({ ...doubled, id: 'aud_forged', user: 'mallory' })
    const altered = many.flatMap((entry, at) => {
      if (entry === taken) return []
      if (entry === doubled && forged) return [entry, forged]
      if (!places.includes(at)) return [entry]
      const text = JSON.stringify(entry)
      return [JSON.parse(text.replace(/"req_(\d)/, (_all, digit) => `"req_${9 - digit}`))]
    })
    const [newest, middle, oldest] = places.map((at) => ['changed', many[at]?.id, many[at]?.seq])
    expect(faultsIn(altered)).toEqual([
      ['inserted', 'aud_forged', doubled?.seq],
      oldest,
      middle,
      ['missing', null, taken?.seq],
      newest,
    ])
  }, 60_000)
})

describe('audit verify', () => {
  const page = () => JSON.stringify({ object: 'list', data: one, has_more: false }, null, 2)

  test('lists the entries of each instance, and ends with 0', async () => {
    const { code, out, err } = await quickCli(['audit', 'verify'], {}, { input: page() })
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toMatch(/ins_[0-9a-f]{16} +│ 40 +│ 1 to 40 +│ 2027-01-15T08:00:00Z +│ .* │ 0/)
    expect(out).toMatch(/unbroken/)
  })

  test('reads a file, a line for each entry, in either direction, and a plain array', async () => {
    const path = join(scratchFolder(), 'audit.json')
    const lines = (entries: readonly Wire[]) =>
      entries.map((entry) => JSON.stringify(entry)).join('\n')
    for (const text of [page(), JSON.stringify(one), lines(one), `${lines(one.toReversed())}\n`]) {
      writeFileSync(path, text)
      const { code, out } = await quickCli(['audit', 'verify', path, '--json'])
      expect([code, JSON.parse(out)]).toMatchObject([
        0,
        { faults: [], instances: [{ entries: 40 }] },
      ])
    }
  })

  test('names the faults, and ends with 1', async () => {
    const { code, out, err } = await quickCli(
      ['audit', 'verify', '-'],
      {},
      { input: page().replace('issuer|20', 'issuer|2O') },
    )
    expect(code).toBe(1)
    expect(out).toMatch(/changed +│ aud_20 +│ ins_[0-9a-f]+ +│ 21/)
    expect(err).toMatch(/the audit is broken: 1 fault\./)
  })

  test.each(['', 'hello', '{"data": 1}', '[1, 2]'])(
    'refuses what is no export: %j',
    async (input) => {
      const { code, err } = await quickCli(['audit', 'verify'], {}, { input })
      expect([code, err]).toEqual([1, expect.stringMatching(/no export of the audit|broken/)])
    },
  )

  test('says that a file cannot be read', async () => {
    const { code, err } = await quickCli(['audit', 'verify', '/nowhere/audit.json'])
    expect([code, err]).toEqual([66, expect.stringContaining('ENOENT')])
  })

  test('says that one page is not the whole audit', async () => {
    const input = page().replace('"has_more": false', '"has_more": true')
    const { code, err } = await quickCli(['audit', 'verify'], {}, { input })
    expect([code, err]).toEqual([0, expect.stringContaining('older entries')])
  })
})
