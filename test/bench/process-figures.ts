import { readdirSync, readFileSync } from 'node:fs'

// Reads the kernel's figures of another process, so that a side is measured without a change.

/**
 * CPU time that a process has used so far, all threads, user and system, in microseconds.
 *
 * @param pid - on Linux
 */
export function cpuMicroseconds(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => sum + threadNanoseconds(pid, thread), 0) / 1000
}

/** `schedstat` counts nanoseconds, where `stat` counts hundredths of a second. */
function threadNanoseconds(pid: number, thread: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
  } catch {
    return 0
  }
}

/**
 * Memory of a process that is in RAM, in megabytes (10^6 bytes).
 *
 * @param pid - on Linux
 */
export function residentMegabytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return (Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) * 1024) / 1e6
}

/**
 * Calls of a process so far that read or write: of files, sockets and pipes.
 *
 * @param pid - on Linux
 */
export function readsAndWrites(pid: number): number {
  const counts = readFileSync(`/proc/${pid}/io`, 'utf8').matchAll(/^sysc[rw]: (\d+)$/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}
