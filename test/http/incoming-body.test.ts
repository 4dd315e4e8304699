import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { readIncoming } from '../../src/http/incoming-body.ts'

const LIMITS = { maxBytes: 5000, milliseconds: 60_000 }

function startReading({ limits = LIMITS, hold = (_bytes: number) => {} } = {}) {
  const socket = new Socket()
  const incoming = new IncomingMessage(socket)
  const body = readIncoming(incoming, limits, hold)
  body.catch(() => undefined)
  return { socket, incoming, body }
}

test('a body in chunks of one byte is copied, so that no chunk is kept', async () => {
  const { incoming, body } = startReading()
  const chunk = Buffer.alloc(1)
  for (let at = 0; at < 300; at++) {
    chunk[0] = at % 256
    incoming.push(chunk)
    await setImmediate()
  }
  incoming.push(null)
  expect([...(await body)]).toEqual(Array.from({ length: 300 }, (_, at) => at % 256))
})

test('a connection with many small chunks waits for a turn of the others, and goes on', async () => {
  const { socket, incoming, body } = startReading()
  const pause = vi.spyOn(socket, 'pause')
  const resume = vi.spyOn(socket, 'resume')
  await setImmediate()
  for (let at = 0; at < 2500; at++) incoming.push(Buffer.from('x'))
  await vi.waitFor(() => expect(pause).toHaveBeenCalled())
  await vi.waitFor(() => expect(resume).toHaveBeenCalledTimes(pause.mock.calls.length))
  incoming.push(null)
  expect((await body).length).toBe(2500)
})

test('nothing more is held once the body was refused', async () => {
  const held: number[] = []
  const full = new Error('full')
  const hold = (bytes: number) => {
    held.push(bytes)
    if (bytes > 2) throw full
  }
  const { incoming, body } = startReading({ hold })
  for (let at = 0; at < 5; at++) {
    incoming.push(Buffer.from('x'))
    await setImmediate()
  }
  await expect(body).rejects.toBe(full)
  expect(held).toEqual([1, 2, 3])
})

test('nothing more is held once the time is up', async () => {
  const hold = vi.fn()
  const { incoming, body } = startReading({ limits: { ...LIMITS, milliseconds: 1 }, hold })
  await expect(body).rejects.toThrow('too slow')
  incoming.push(Buffer.from('x'))
  await setImmediate()
  expect(hold).not.toHaveBeenCalled()
})

test('a body that breaks off is an error', async () => {
  const { incoming, body } = startReading()
  incoming.push(Buffer.from('x'))
  incoming.destroy()
  await expect(body).rejects.toThrow()
})
