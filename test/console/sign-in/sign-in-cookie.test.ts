import { expect, test } from 'vitest'
import type { z } from 'zod'
import { loadConfig } from '../../../src/config/file/load-config.ts'
import type { Cookies } from '../../../src/console/sign-in/cookies.ts'
import { createSignInCookie } from '../../../src/console/sign-in/sign-in-cookie.ts'
import type { AppContext } from '../../../src/http/context.ts'
import { createUserOf } from '../../../src/map/map-user.ts'
import { createSqliteRegistry } from '../../../src/registry/sqlite.ts'
import { userId } from '../../support/ids.ts'

// A sign-in ends when anything that decided about it is another now.

const NOW = 1_800_000_000_000
const A = 'https://a.example/'
const B = 'https://b.example/'
const c = {} as AppContext

const issuerOf = (issuer: string) => `
  - issuer: ${issuer}
    audience: [chat-api]
    algorithms: [ES256]`

const USER = 'issuer + "|" + claims.sub'

function settingsOf({
  admins = [A],
  issuer = A,
  user = USER,
  role = 'chatkit-admin',
  client = 'console',
} = {}) {
  const { settings } = loadConfig(
    `
issuers:${issuerOf(A)}
    user: '${user}'${issuerOf(B)}
user: '${USER}'
workflows:
  support: { id: wf_support }
admins:
  when: '"${role}" in claims.roles'
  issuers: [${admins.join(', ')}]
console:
  issuer: ${issuer}
  client_id: ${client}
  client_secret_env: CONSOLE_CLIENT_SECRET
`,
    { file: 'test.yaml' },
  )
  const { admins: rule, console: login, issuers } = settings
  if (rule === undefined || login === undefined) throw new Error('no console in the config')
  return { admins: rule, settings: login, issuers }
}

/** One browser and one store, at services with different configs. */
function startBrowser() {
  const jar = new Map<string, object>()
  const cookies: Cookies = {
    read: async <S extends z.ZodType>(_c: AppContext, name: string, schema: S) =>
      schema.safeParse(jar.get(name)).data,
    async write(_c, name, { value, seconds }) {
      jar.set(name, { ...value, exp: NOW / 1000 + seconds })
    },
    clear: (_c, name) => void jar.delete(name),
    clearOldSignIns: () => {},
  }
  const registry = createSqliteRegistry({ path: ':memory:' })
  return (changed?: Parameters<typeof settingsOf>[0]) => {
    const settings = settingsOf(changed)
    const userOf = createUserOf({ issuers: settings.issuers, hashUser: () => undefined })
    return createSignInCookie({ ...settings, cookies, registry, userOf, now: () => NOW })
  }
}

const ADA_USER = userId(`${A}|ada`)
const ADA = { issuer: A, subject: 'ada', name: 'Ada', sid: undefined, issuedAt: NOW / 1000 }

test.each<[string, Parameters<typeof settingsOf>[0]]>([
  ['the rule for admins', { role: 'owner' }],
  ['the client', { client: 'another' }],
  ['the issuers of admins', { admins: [A, B] }],
  ['the issuer of the console', { admins: [A, B], issuer: B }],
  ['the rule for users of its issuer', { user: `"u|" + ${USER}` }],
])('a sign-in ends when %s has become another', async (_name, changed) => {
  const at = startBrowser()
  await at().begin(c, { ...ADA, mapped: ADA_USER })
  expect(await at().read(c, true)).toMatchObject({ actor: `${A}|ada`, user: ADA_USER })
  expect(await at(changed).read(c, true)).toBeUndefined()
})

test('a sign-in at the console’s issuer ends when another issuer takes its place, and nothing else is another', async () => {
  const at = startBrowser()
  await at({ admins: [A, B] }).begin(c, { ...ADA, mapped: ADA_USER })
  expect(await at({ admins: [A, B] }).read(c, true)).toBeDefined()
  expect(await at({ admins: [A, B], issuer: B }).read(c, true)).toBeUndefined()
})
