import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import type { Finding } from '../../../../src/commands/cli/doctor/finding.ts'
import { proxyPage, startFaultyProxy } from '../../../support/network/faulty-proxy.ts'
import { API_KEY } from '../../../support/running-service.ts'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { forAllTests } from '../../../support/started.ts'
import { quickCli } from '../run-cli.ts'

// The doctor on machines where a proxy is the only way out, and where the proxy is at fault.

const PASSWORD = 'planted-password'
const file = join(scratchFolder(), 'config.yaml')
const proxy = forAllTests(startFaultyProxy)
beforeEach(() => {
  proxy.reset()
  writeFileSync(
    file,
    `
issuers: [{ issuer: 'https://issuer.test', audience: [chat-api], algorithms: [ES256] }]
user: claims.sub
workflows:
  support: { id: wf_support }
  helpdesk: { server: 'http://helpdesk.test/chatkit' }
`,
  )
})

async function findingsWith(variables: Readonly<Record<string, string>>) {
  const { out, err } = await quickCli(['doctor', '--json'], {
    CONFIG_FILE: file,
    OPENAI_API_KEY: API_KEY,
    OPENAI_BASE_URL: 'https://api.test/v1',
    PUBLIC_URL: 'https://chat.test',
    STORE_URL: 'memory:',
    ...variables,
  })
  expect(out + err).not.toContain(PASSWORD)
  const { checks } = JSON.parse(out) as { checks: Finding[] }
  return (name: string) => checks.filter(({ check }) => check === name)
}

const CALLS = ['issuer https://issuer.test', 'workflow support', 'workflow helpdesk']

function throughProxy() {
  const address = `http://mint:${PASSWORD}@127.0.0.1:${proxy.port}`
  return { HTTPS_PROXY: address, HTTP_PROXY: address, NO_PROXY: 'other.test' }
}

test('the doctor says which proxy is in use, for what, and what the proxy can read', async () => {
  const of = await findingsWith(throughProxy())
  const origin = `http://127.0.0.1:${proxy.port}`
  expect(of('proxy')).toEqual([
    {
      check: 'proxy',
      status: 'ok',
      message: `for https ${origin}, for plain http ${origin}, apart from NO_PROXY (other.test)`,
    },
    {
      check: 'proxy',
      status: 'note',
      message: expect.stringContaining(`${origin} can read what goes to http://helpdesk.test/`),
    },
  ])
  expect(new Set(proxy.asked)).toEqual(
    new Set([
      'CONNECT issuer.test:443 HTTP',
      'CONNECT api.test:443 HTTP',
      'CONNECT chat.test:443 HTTP',
      'POST http://helpdesk.test/chatkit HTTP',
    ]),
  )
})

test('the doctor names no proxy where there is none, and advises one for a host name that is not known', async () => {
  const of = await findingsWith({})
  expect(of('proxy')).toEqual([])
  expect(of('issuer https://issuer.test')[0]?.advice).toMatch(/DNS .*set HTTPS_PROXY/)
})

test.each<[string, string, RegExp]>([
  [
    'asks for a password',
    proxyPage('407 Proxy Authentication Required'),
    /asks for user and password: put them into HTTPS?_PROXY, percent-encoded/,
  ],
  ['hangs up', '', /goes through the proxy http:\S+: have (issuer|api|helpdesk)\.test allowed/],
])('a proxy that %s is named in the advice for every call', async (_name, answer, advice) => {
  proxy.answer = answer
  const of = await findingsWith(throughProxy())
  for (const call of CALLS) {
    expect(of(call)[0]).toMatchObject({ status: 'wrong', advice: expect.stringMatching(advice) })
  }
})

test('a proxy that refuses a call is named, with its status and both remedies', async () => {
  proxy.answer = proxyPage('403 Forbidden')
  const of = await findingsWith(throughProxy())
  const origin = `http://127.0.0.1:${proxy.port}`
  for (const [call, host] of [
    [CALLS[0], 'issuer.test'],
    [CALLS[1], 'api.test'],
  ] as const) {
    expect(of(call ?? '')[0]?.advice).toBe(
      `the proxy ${origin} answered 403: have ${host} allowed there, or name it in NO_PROXY if it can be reached directly`,
    )
  }
})

test('an unreachable proxy is named instead of the server', async () => {
  const of = await findingsWith({ HTTPS_PROXY: 'http://127.0.0.1:9', HTTP_PROXY: 'http://no.test' })
  expect(of('workflow support')[0]?.advice).toMatch(/the proxy http:\/\/127\.0\.0\.1:9 cannot be/)
  expect(of('workflow helpdesk')[0]?.advice).toMatch(/the proxy http:\/\/no\.test cannot be/)
})

test.each([
  ['the API', { OPENAI_API_KEY: API_KEY, OPENAI_BASE_URL: 'https://api.test/v1' }],
  ['this service', { CHATKIT_MINT_URL: 'https://chat.test', CHATKIT_MINT_TOKEN: 'a.b.c' }],
])(
  'other commands that ask %s say what the proxy said, and not its password',
  async (_name, to) => {
    proxy.answer = proxyPage('407 Proxy Authentication Required')
    const variables = { ...throughProxy(), ...to }
    const { code, err } = await quickCli(['threads', 'list'], variables)
    expect({ code, err }).toEqual({
      code: 69,
      err: expect.stringContaining('Proxy response (407)'),
    })
    expect(err).not.toContain(PASSWORD)
  },
)
