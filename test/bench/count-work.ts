import { createHook } from 'node:async_hooks'
import { writeFileSync } from 'node:fs'
import { getHeapStatistics } from 'node:v8'

// Loaded before a side. It counts the side's work, and writes the counts into a file at a signal.

let promises = 0
// The hook allocates too, so bytes and promises are counted in different processes.
if (process.env['COUNT'] === 'promises') {
  createHook({
    init(_, type) {
      if (type === 'PROMISE') promises++
    },
  }).enable()
}
process.on('SIGUSR2', () => {
  const { total_allocated_bytes: bytes } = getHeapStatistics()
  writeFileSync(process.env['COUNTS_FILE'] ?? '', JSON.stringify({ promises, bytes }))
})
