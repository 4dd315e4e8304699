import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../../../src/config/file/load-config.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import { silentServers, warnOfSilentServers } from '../../../src/http/server/silent-servers.ts'
import { recordingLog } from '../../support/issuer-settings.ts'
import { makeCertificates } from '../../support/registry/certificates.ts'

const DIRECT = () => undefined
const PROXY = () => ({ origin: 'http://proxy.test:3128', authorization: undefined })

function workflowsAt(servers: Readonly<Record<string, string>>) {
  const workflows = Object.entries(servers).map(([name, server]) => `  ${name}: { ${server} }`)
  const config = `issuers: [{ issuer: https://i.test, audience: [a], algorithms: [ES256] }]
user: claims.sub
workflows:
${workflows.join('\n')}
`
  return loadConfig(config, { file: 'c', secrets: () => undefined }).settings.workflows
}

async function closedPort(): Promise<string> {
  const { origin, close } = await listenOnLoopback(createServer(), { port: 0 })
  await close()
  return origin
}

test('a server that accepts no connection is logged once with key and address, and one that accepts is not', async () => {
  const { origin, close } = await listenOnLoopback(createServer(), { port: 0 })
  const silent = await closedPort()
  const workflows = workflowsAt({
    there: `server: '${origin}/chatkit'`,
    helpdesk: `server: '${silent}/chatkit?key=planted'`,
  })
  const { log, lines, text } = recordingLog()
  await warnOfSilentServers(workflows, DIRECT, log)
  await close()
  expect(lines).toMatchObject([
    {
      level: 40,
      workflow: 'helpdesk',
      msg: expect.stringContaining(
        `nobody listens at ${silent}/chatkit (workflows.helpdesk.server): start your ChatKit server`,
      ),
    },
  ])
  expect(text()).not.toContain('planted')
})

test('a server on this machine is also tried by its name and by its IPv6 address', async () => {
  const { port } = new URL(await closedPort())
  const workflows = workflowsAt({
    name: `server: 'http://localhost:${port}/chatkit'`,
    six: `server: 'http://[::1]:${port}/chatkit'`,
  })
  expect(await silentServers(workflows, DIRECT)).toHaveLength(2)
})

test('a server whose certificate is refused is logged with the cause, unless a proxy leads to it', async () => {
  const { server: files } = makeCertificates('DNS:other.test')
  const options = { key: readFileSync(files.key), cert: readFileSync(files.cert) }
  const { origin, close } = await listenOnLoopback(createTlsServer(options), { port: 0 })
  const { port } = new URL(origin)
  const workflows = workflowsAt({
    six: `server: 'https://localhost:${port}/chatkit'`,
    four: `server: 'https://127.0.0.1:${port}/chatkit'`,
  })
  const { log, lines } = recordingLog()
  await warnOfSilentServers(workflows, PROXY, log)
  expect(lines).toEqual([])
  await warnOfSilentServers(workflows, DIRECT, log)
  await close()
  const reason = expect.stringContaining('certificate')
  expect(lines).toMatchObject([
    { level: 40, workflow: 'six', reason, msg: expect.stringContaining('TLS fails at https://') },
    {
      level: 40,
      workflow: 'four',
      reason,
      msg: expect.stringContaining('workflows.four.server): replace its certificate'),
    },
  ])
})

test('a server whose certificate is accepted is not logged', async () => {
  const { server: files, authority } = makeCertificates('DNS:localhost,IP:127.0.0.1')
  const known = getCACertificates('default')
  setDefaultCACertificates([...known, readFileSync(authority, 'utf8')])
  onTestFinished(() => setDefaultCACertificates(known))
  const options = { key: readFileSync(files.key), cert: readFileSync(files.cert) }
  const { origin, close } = await listenOnLoopback(createTlsServer(options), { port: 0 })
  const { port } = new URL(origin)
  const workflows = workflowsAt({
    name: `server: 'https://localhost:${port}/chatkit'`,
    address: `server: 'https://127.0.0.1:${port}/chatkit'`,
  })
  const { log, lines } = recordingLog()
  await warnOfSilentServers(workflows, DIRECT, log)
  await close()
  expect(lines).toEqual([])
})

test('a server behind a proxy is not tried', async () => {
  const workflows = workflowsAt({ helpdesk: `server: '${await closedPort()}/chatkit'` })
  expect(await silentServers(workflows, PROXY)).toEqual([])
})
