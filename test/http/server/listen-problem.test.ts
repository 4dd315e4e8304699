import { expect, test } from 'vitest'
import { listenProblem } from '../../../src/http/server/server.ts'

const address = { host: 'PORT.test', port: 9091 }
const failure = (code: string) => Object.assign(new Error('listen'), { code })

test.each([
  ['EADDRINUSE', 'stop what uses it, or set METRICS_PORT'],
  ['EACCES', 'ports below 1024 need a privilege: set METRICS_PORT'],
  ['EMFILE', 'raise the limit on open files (ulimit -n)'],
  ['EADDRNOTAVAIL', 'METRICS_HOST is not an address of this machine'],
  ['ENOTFOUND', 'METRICS_HOST has no address'],
])('for the metrics, the advice about %s names their own variables', (code, advice) => {
  const problem = listenProblem(address, failure(code), 'METRICS_')
  expect(problem).toContain(`cannot listen on PORT.test:9091 (${code}); ${advice}`)
})
