import { createServer } from 'node:http'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/file/load-config.ts'
import { listenOnLoopback } from '../../../src/embedded/kit/listen.ts'
import { silentServers, warnOfSilentServers } from '../../../src/http/server/silent-servers.ts'
import { recordingLog } from '../../support/issuer-settings.ts'

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
  const { origin, close } = await listenOnLoopback(createServer())
  await close()
  return origin
}

test('a server that accepts no connection is logged once with key and address, and one that accepts is not', async () => {
  const { origin, close } = await listenOnLoopback(createServer())
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

test('a server behind a proxy is not tried', async () => {
  const workflows = workflowsAt({ helpdesk: `server: '${await closedPort()}/chatkit'` })
  expect(await silentServers(workflows, PROXY)).toEqual([])
})
