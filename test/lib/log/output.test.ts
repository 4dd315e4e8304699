import { execFileSync } from 'node:child_process'
import { constants, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createLogOutput } from '../../../src/lib/log/output.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'

// The service on a full disk is in test/process/drain.test.ts.
// Descriptors stay open: an output goes on trying, and would write into the socket of another test that has the number next.

/** A pipe that takes 64 KiB until somebody reads it, and never blocks. */
function openPipe() {
  const path = join(scratchFolder(), 'pipe')
  execFileSync('mkfifo', [path])
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  const said: Buffer[] = []
  return {
    fd,
    /** All that has been written so far. */
    read(): string {
      const chunk = Buffer.alloc(1024 * 1024)
      try {
        said.push(chunk.subarray(0, readSync(fd, chunk)))
      } catch {
        // EAGAIN: nothing new.
      }
      return Buffer.concat(said).toString()
    },
  }
}

const LINES = Array.from({ length: 3000 }, (_, at) => `line ${at} ${'ä'.repeat(50)}\n`)

test('lines for a reader that is slow arrive in their order, whole, once', async () => {
  const { fd, read } = openPipe()
  const output = createLogOutput({ fd })
  for (const line of LINES) output.write(line)
  await expect.poll(read, { timeout: 10_000, interval: 5 }).toBe(LINES.join(''))
})

test('no timer runs while nothing waits, and a line starts one', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const { fd, read } = openPipe()
  const output = createLogOutput({ fd })
  expect(vi.getTimerCount()).toBe(0)
  for (const line of ['first\n', 'second\n']) {
    output.write(line)
    expect(vi.getTimerCount()).toBe(1)
    vi.advanceTimersByTime(20)
    await vi.waitUntil(() => read().endsWith(line))
    expect(vi.getTimerCount()).toBe(0)
  }
})

test('a line that comes while another is being written arrives too', async () => {
  const { fd, read } = openPipe()
  const output = createLogOutput({ fd })
  output.write('a'.repeat(65_536))
  output.write('b')
  await expect.poll(read).toBe(`${'a'.repeat(65_536)}b`)
})

test('the end of the process writes what waits', () => {
  const { fd, read } = openPipe()
  const output = createLogOutput({ fd })
  output.write('last words\n')
  output.flushSync()
  expect(read()).toBe('last words\n')
})

test('the end of the process writes no batch twice that is being written', async () => {
  const { fd, read } = openPipe()
  const output = createLogOutput({ fd })
  output.write('a'.repeat(65_536))
  output.flushSync()
  await expect.poll(read).toContain('a')
  output.write('end')
  await expect.poll(read).toContain('end')
  expect(read()).toBe(`${'a'.repeat(65_536)}end`)
})

test('the end of the process does not wait for a reader that hangs, nor for room on a full disk', () => {
  const hung = createLogOutput({ fd: openPipe().fd })
  for (const line of LINES) hung.write(line)
  hung.flushSync()
  const full = createLogOutput({ fd: openSync('/dev/full', 'w') })
  full.write('lost\n')
  full.flushSync()
})
