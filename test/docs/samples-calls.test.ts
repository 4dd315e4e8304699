import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { createOpenApi } from '../../src/http/openapi/document.ts'
import type { RouteDefinition } from '../../src/http/route-definition.ts'
import { ROUTES } from '../../src/http/route-table.ts'
import { asAt, createThread } from '../gateway/scene.ts'
import { ADMINS, secretOf } from '../support/admin-calls.ts'
import { startSampleServer } from '../support/chatkit/sample-server.ts'
import { PUBLIC_URL, selfHostedConfig, sidOf } from '../support/chatkit/self-hosted.ts'
import { ISSUER, signer, startService, tokenFor } from '../support/running-service.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { logoutClaimsOf } from '../support/tokens.ts'
import { LANGUAGES, type Language, runSamples } from './samples.ts'

// The samples that are made of the definitions, run as they stand, but for ids and tokens that exist. One process
// of each language runs all of them.

/** The issuer and, with `alice`, the user in the examples of the definitions. */
const iss = 'https://login.acme.example/'
const CLIENT = 'desk:a secret of the help desk'
const INTROSPECTION = `introspection:
  clients: [{ id: desk, secret_sha256: 'sha256:${createHash('sha256').update(CLIENT.slice(5)).digest('hex')}' }]`

const server = forAllTests(() => startSampleServer())
const running = forAllTests(() => {
  const config = selfHostedConfig({ server: server.url, more: `${ADMINS}\n${INTROSPECTION}` })
    .replace(`issuer: ${ISSUER}`, `issuer: ${iss}\n    logout: { client_ids: [web-app] }`)
    .replace('user: claims.sub', `user: 'issuer + "|" + claims.sub'`)
  return startService({ config, env: { PUBLIC_URL } })
})
const folder = scratchFolder()
const SOME = expect.stringMatching(/\S/)

/** Operations after which others would be refused; in this order, behind all others. */
const LAST = [
  ...['deleteOwnThread', 'deleteAnyThread', 'cancelSession', 'signOut', 'revokeUser', 'revoke'],
  ...['listBlocks', 'liftBlock', 'exportUser', 'eraseUser', 'backchannelLogout'],
]
const MADE = Object.entries<RouteDefinition>(ROUTES)
  .filter(([, { samples }]) => samples === undefined)
  .map(([id, route]) => ({ id, answer: route.answers[0] }))
  .toSorted((one, other) => LAST.indexOf(one.id) - LAST.indexOf(other.id))

function samplesIn(language: Language): ReadonlyMap<string, string> {
  const operations = Object.values(createOpenApi(ROUTES, running.url).paths).flatMap(Object.values)
  return new Map(
    operations.map(({ operationId, 'x-codeSamples': samples }) => {
      const sample = samples.find(({ lang }: { lang: string }) => lang === language)
      return [operationId, sample?.source ?? '']
    }),
  )
}

/** A user with a session, two threads and a picture. */
async function seed() {
  const secret = await secretOf(running, 'alice', { iss })
  const alice = asAt(`${running.url}/chatkit/helpdesk`, { secret })
  const photo = { name: 'photo.png', size: 3, mime_type: 'image/png' }
  const made = (await (await alice(['attachments.create', photo])).json()) as Made
  const threads = [await createThread(alice, 'one'), await createThread(alice, 'two')]
  const image = { id: 'img_1', url: `${server.origin}/upload/${made.id}` }
  const thread_id = threads[0]?.id ?? ''
  const item = { id: 'i', thread_id, created_at: 1, type: 'generated_image', image }
  server.server.setFaults({ status: 200, body: { data: [item], has_more: false }, times: 1 })
  const page = (await (await alice(['items.list', { thread_id }])).json()) as Page
  const here = (url = '') => url.replace(PUBLIC_URL, running.url)
  return {
    ids: { session: sidOf(secret), threads: threads.map(({ id }) => id) },
    variables: {
      USER_TOKEN: tokenFor('alice', { iss }),
      ADMIN_TOKEN: tokenFor('ada', { iss, roles: ['chatkit-admin'] }),
      CLIENT_SECRET: secret,
      INTROSPECTION_CLIENT: CLIENT,
      UPLOAD_URL: here(made.upload_url),
      FILE_URL: here(page.data[0]?.image.url),
    },
  }
}

interface Made {
  readonly id: string
  readonly upload_url: string
}
interface Page {
  readonly data: readonly { readonly image: { readonly url: string } }[]
}

test.each(LANGUAGES)('each call in %s answers as its sample shows', async (language) => {
  const { ids, variables } = await seed()
  writeFileSync(join(folder, 'photo.png'), 'abc')
  const claims = logoutClaimsOf(iss, Date.now(), { sub: 'bob', jti: language })
  const logout = signer.token(claims, { typ: 'logout+jwt' })
  const samples = samplesIn(language)
  const sources = MADE.map(({ id }) =>
    (samples.get(id) ?? '')
      .replace('cksess_68e5c1f0', ids.session)
      .replace('cthr_68e5c1f0', ids.threads[id === 'deleteAnyThread' ? 1 : 0] ?? '')
      .replace('eyJ…', logout),
  )
  const ran = await runSamples(language, sources, { folder, env: variables })
  for (const [at, { id, answer }] of MADE.entries()) {
    const [field = '20'] = Object.keys(Object(answer?.example))
    const output = answer?.mediaType === undefined ? expect.stringContaining(field) : SOME
    expect({ id, ...ran[at] }).toEqual({ id, output, failed: false })
  }
})
