import dns from 'node:dns'
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest'
import { connectToAny } from '../../src/lib/connections.ts'
import { lookupTogether } from '../../src/lib/lookup.ts'
import { Secret } from '../../src/lib/secret.ts'
import { createConnect } from '../../src/registry/redis/link/client.ts'

type Answer = (error: Error | null, address?: unknown, family?: number) => void
type Lookup = { lookup(name: string, options: object, answer: Answer): void }
let asked: MockInstance<Lookup['lookup']>
beforeEach(() => {
  asked = vi.spyOn(dns as Lookup, 'lookup').mockReturnValue()
})
afterEach(() => asked.mockRestore())

describe('a lookup', () => {
  it('asks once for all who want a name at the same time, and anew afterwards', () => {
    const [first, second, third] = [vi.fn(), vi.fn(), vi.fn()]
    lookupTogether('a.test', { all: true }, first)
    lookupTogether('a.test', { all: true }, second)
    lookupTogether('b.test', { all: true }, third)
    expect(asked.mock.calls.map(([name]) => name)).toEqual(['a.test', 'b.test'])
    const addresses = [{ address: '192.0.2.1', family: 4 }]
    asked.mock.calls[0]?.[2](null, addresses)
    for (const found of [first, second])
      expect(found).toHaveBeenCalledExactlyOnceWith(null, addresses)
    expect(third).not.toHaveBeenCalled()
    lookupTogether('a.test', { all: true }, first)
    expect(asked).toHaveBeenCalledTimes(3)
  })

  it('asks anew for a name of which it could not ask', () => {
    asked.mockImplementationOnce(() => {
      throw new TypeError('no name')
    })
    expect(() => lookupTogether('e.test', { all: true }, vi.fn())).toThrow('no name')
    lookupTogether('e.test', { all: true }, vi.fn())
    expect(asked).toHaveBeenCalledTimes(2)
  })

  it('gives all of them the error, and tells questions with other options apart', () => {
    const [first, second, other] = [vi.fn(), vi.fn(), vi.fn()]
    lookupTogether('d.test', { all: true }, first)
    lookupTogether('d.test', { all: true }, second)
    lookupTogether('d.test', { family: 4 }, other)
    const failure = new Error('EAI_AGAIN')
    asked.mock.calls[0]?.[2](failure)
    for (const found of [first, second]) expect(found).toHaveBeenCalledExactlyOnceWith(failure)
    expect(other).not.toHaveBeenCalled()
  })
})

describe('calls of a name that is not found for long', () => {
  const proxy = { origin: 'http://proxy.test:3128', authorization: undefined }
  const callAt = (origin: string, through?: typeof proxy) => {
    const dispatcher = connectToAny(() => through, { allowH2: false })
    return dispatcher.request({ origin, path: '/', method: 'GET' })
  }
  const openRedis = () => createConnect({ url: new Secret('redis://redis.test'), cluster: false })()

  it.each([
    ['http', 'a.test', () => callAt('http://a.test')],
    ['https', 'b.test', () => callAt('https://b.test')],
    ['a proxy', 'proxy.test', () => callAt('https://c.test', proxy)],
    ['Redis', 'redis.test', openRedis],
  ])('look it up once: %s', async (_kind, name, call) => {
    const calls = Promise.allSettled([call(), call(), call()])
    await expect.poll(() => asked.mock.calls.map(([host]) => host)).toEqual([name])
    asked.mock.calls[0]?.[2](new Error('EAI_AGAIN'))
    for (const result of await calls) {
      expect(result).toMatchObject({
        status: 'rejected',
        reason: { message: expect.stringContaining('EAI_AGAIN') },
      })
    }
    expect(asked).toHaveBeenCalledOnce()
  })
})
