// Preloaded into a service. A SIGUSR2 makes its event loop late, as on an overloaded machine, until the next SIGUSR2.

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
