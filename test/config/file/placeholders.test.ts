import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/file/load-config.ts'
import { placeholderNotes } from '../../../src/config/file/placeholders.ts'
import { ConfigError } from '../../../src/config/file/problems.ts'
import { MINIMAL } from '../fixtures.ts'

function placesIn(text: string): string[] {
  try {
    loadConfig(text, { file: 'c.yaml', toRun: true })
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ line, key }) => `${line} ${key}`)
  }
}

test.each([
  ['https://login.corp.test/', 'https://login.acme.example/', '2 issuers[0].issuer'],
  ['https://login.corp.test/', 'https://ACME.example/realms/app', '2 issuers[0].issuer'],
  ['https://login.corp.test/', 'https://acme.example:8443/', '2 issuers[0].issuer'],
  ['[chat-api]', '[chat-api, https://chat.acme.example]', '3 issuers[0].audience[1]'],
  ['[RS256]', '[RS256]\n    jwks_uri: https://login.acme.example/jwks', '5 issuers[0].jwks_uri'],
  ['id: wf_1', 'server: https://desk.acme.example/chatkit', '8 workflows.support.server'],
  ['wf_1', 'wf_1\n    base_url: https://acme.example/v1', '9 workflows.support.base_url'],
  ['wf_1', 'wf_replace_me', '8 workflows.support.id'],
  ['wf_1', 'wf_replace_me_too', '8 workflows.support.id'],
])('%s as %s is a placeholder that keeps the service from running', (part, shipped, place) => {
  expect(placesIn(MINIMAL.replace(part, shipped))).toEqual([place])
})

test.each([
  ['https://login.corp.test/', 'https://notacme.example/'],
  ['https://login.corp.test/', 'https://acme.example.com/'],
  ['https://login.corp.test/', 'https://acme.eu.auth0.com/'],
  ['wf_1', 'wf_1replace_me'],
])('%s as %s is not a placeholder', (part, own) => {
  expect(placesIn(MINIMAL.replace(part, own))).toEqual([])
})

test.each([
  ['[chat-api]', `["\${AUDIENCE}"]`, '3 issuers[0].audience[0]'],
  ['[chat-api]', '[$AUDIENCE]', '3 issuers[0].audience[0]'],
  ['id: wf_1', 'server: "http://$(DESK):8000/chatkit"', '8 workflows.support.server'],
  ['id: wf_1', 'server: http://$DESK_HOST:8000/chatkit', '8 workflows.support.server'],
  ['id: wf_1', 'server: "http://{{ .Values.desk }}/chatkit"', '8 workflows.support.server'],
])('%s as %s has a variable that nothing fills in', (part, unfilled, place) => {
  expect(placesIn(MINIMAL.replace(part, () => unfilled))).toContain(place)
})

test('a dollar sign in an expression, and the tenant of an issuer, are no variables', () => {
  const own = `wf_1\n    state_variables: { price: '"\${AMOUNT} $US"' }\n    when: 'claims.x != "$ALL"'`
  expect(placesIn(MINIMAL.replace('wf_1', () => own))).toEqual([])
})

test('placeholders are accepted for work that does not run the service', () => {
  const text = MINIMAL.replace('wf_1', 'wf_replace_me')
  expect(loadConfig(text, { file: 'c.yaml' }).settings.workflows).toMatchObject([
    { id: 'wf_replace_me' },
  ])
})

const originNotes = (corsOrigins: string[]) => placeholderNotes([], corsOrigins)

test('the issuers of the examples that a provider may give to others get a remark', () => {
  const folder = join(import.meta.dirname, '../../../config/examples')
  const unnoticed = readdirSync(folder).filter((name) => {
    const text = readFileSync(join(folder, name), 'utf8')
    const { issuers } = loadConfig(text, { file: name }).settings
    return placesIn(text).length === 0 && placeholderNotes(issuers, []).length === 0
  })
  // The issuer of WorkOS is everybody's: the key set, which names the customer, tells them apart.
  expect(unnoticed).toEqual(['workos.yaml'])
})

test.each([
  'https://acme.okta.com.evil.test',
  'https://login.corp.test/',
  'https://acmes.okta.com',
])('%s gets no remark', (issuer) => {
  expect(placeholderNotes([{ issuer }], [])).toEqual([])
})

test('an origin of the shipped files gets a remark and is no error', () => {
  expect(
    originNotes(['https://app.acme.example', 'https://app.corp.test', 'capacitor://acme']),
  ).toEqual([
    expect.stringMatching(/^cors\.origins: https:\/\/app\.acme\.example is a placeholder.*place$/),
  ])
})

test('where every origin is one of the shipped files, the remark says that no page can call', () => {
  expect(originNotes(['https://app.acme.example'])).toEqual([
    expect.stringMatching(/is a placeholder; put .* place; no page of yours can call until then$/),
  ])
})
