import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { readBounded, readFileBounded, TooLargeError } from '../../src/lib/read-bounded.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

function chunks(...sizes: number[]): Readable {
  return Readable.from(sizes.map((size) => Buffer.alloc(size, 'x')))
}

describe('readBounded', () => {
  test('joins chunks up to exactly the limit', async () => {
    expect((await readBounded(chunks(3, 0, 7), 10)).toString()).toBe('x'.repeat(10))
    expect(await readBounded(chunks(), 0)).toHaveLength(0)
  })

  test('refuses one byte more', async () => {
    await expect(readBounded(chunks(3, 8), 10)).rejects.toThrow(TooLargeError)
  })

  test('stops reading and destroys the source when it is too large', async () => {
    let made = 0
    const endless = new Readable({
      highWaterMark: 1,
      read() {
        made += 1
        this.push(Buffer.alloc(1000))
      },
    })
    await expect(readBounded(endless, 2500)).rejects.toThrow(TooLargeError)
    expect(endless.destroyed).toBe(true)
    expect(made).toBeLessThan(10)
  })

  test('copies each chunk, so that none of many small ones is kept', async () => {
    const chunk = new Uint8Array(1)
    async function* many() {
      for (let at = 0; at < 300; at++) {
        chunk[0] = at % 256
        yield chunk
      }
    }
    const bytes = await readBounded(many(), 300)
    expect([...bytes]).toEqual(Array.from({ length: 300 }, (_, at) => at % 256))
  })

  test('keeps no buffer that is much longer than what it read', async () => {
    const read = await readBounded(chunks(...Array.from({ length: 33 }, () => 4000)), 1_000_000)
    expect(read).toHaveLength(132_000)
    expect(read.buffer.byteLength).toBeLessThan(150_000)
    const full = await readBounded(chunks(70_000, 20_000), 90_000)
    expect(full.buffer.byteLength).toBe(90_000)
  })

  test('takes no more than twice what it has read, however high the limit', async () => {
    const allocate = vi.spyOn(Buffer, 'allocUnsafe')
    onTestFinished(() => allocate.mockRestore())
    await readBounded(chunks(30_000, 10_000, 30_000), 10_000_000)
    expect(allocate.mock.calls).toEqual([[30_000], [60_000], [80_000]])
  })

  test('passes on an error of the source', async () => {
    const broken = new Readable({
      read() {
        this.destroy(new Error('cut off'))
      },
    })
    await expect(readBounded(broken, 10)).rejects.toThrow('cut off')
  })
})

describe('readFileBounded', () => {
  test('reads a file up to exactly the limit, and refuses one byte more', () => {
    const file = join(scratchFolder(), 'file')
    writeFileSync(file, 'ten bytes.')
    expect(readFileBounded(file, 10).toString()).toBe('ten bytes.')
    expect(() => readFileBounded(file, 9)).toThrow(TooLargeError)
  })

  test('stops reading a file that has no end', () => {
    expect(() => readFileBounded('/dev/zero', 1000)).toThrow(TooLargeError)
  })
})
