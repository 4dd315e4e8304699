import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { expect, onTestFinished, test } from 'vitest'
import { freePort, onUsualPort, takenLine } from '../../src/commands/usual-port.ts'

const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? [])
const ipv6 = addresses.some(({ address }) => address === '::1') ? ['::1'] : []

async function listen(host: string, port = 0): Promise<number> {
  const server = createServer((socket) => socket.destroy()).listen(port, host)
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

test.each(['127.0.0.1', '0.0.0.0', ...ipv6])(
  'a port that somebody has at %s is taken, and a free one found',
  async (host) => {
    const port = await listen(host)
    const found = await freePort(port)
    expect(found).not.toBe(port)
    expect(await listen('127.0.0.1', found)).toBe(found)
  },
)

test('the usual port is given when it is free, and another when a process takes it meanwhile', async () => {
  const free = await freePort(0)
  expect(await freePort(free)).toBe(free)
  const asked: number[] = []
  const start = async (port: number) => {
    asked.push(port)
    if (port === free) await listen('127.0.0.1', free)
    return await listen('127.0.0.1', port)
  }
  expect(await onUsualPort(free, start)).not.toBe(free)
  expect(asked).toEqual([free, 0])
})

test.each([
  ['EADDRINUSE', 'another'],
  ['EACCES', 'another'],
  ['EMFILE', 'EMFILE'],
])('a start that fails with %s: %s', async (code, result) => {
  const free = await freePort(0)
  const start = async (port: number) => {
    if (port === free) throw Object.assign(new Error(code), { code })
    return 'another'
  }
  expect(await onUsualPort(free, start).catch((error: Error) => error.message)).toBe(result)
})

test('a line names the wanted port when the service is at another, and only then', () => {
  expect(takenLine(8787, 'http://localhost:40000')).toContain('Port 8787 is taken')
  expect(takenLine(8787, 'http://localhost:8787')).toBe('')
  expect(takenLine(0, 'http://localhost:40000')).toBe('')
})
