// Preloaded into a service: after a SIGUSR2, and until the next, its event loop is blocked for most of
// the time, as it is on a machine that has too much to do.

const BLOCKED_MS = 60
const FREE_MS = 10

let timer

function block() {
  const until = performance.now() + BLOCKED_MS
  while (performance.now() < until);
  timer = setTimeout(block, FREE_MS)
}

process.on('SIGUSR2', () => {
  if (timer === undefined) return block()
  clearTimeout(timer)
  timer = undefined
})
