import { expect, test } from 'vitest'
import { LINK_TYPES } from '../../src/gateway/files/file-links.ts'
import { bytes, startFiles } from '../gateway/file-server.ts'
import { ISSUER, type Session, WORKFLOW } from '../gateway/scene.ts'
import { userId, workflowName } from '../support/ids.ts'
import { answerOf, expectProblem } from '../support/problem-answer.ts'

// A link with a good signature opens a file only while the registry agrees with it.

type Files = Awaited<ReturnType<typeof startFiles>>

async function follow({ scene, session }: Files, changed: Record<string, unknown> = {}) {
  const iat = Math.floor(Date.now() / 1000)
  const whose = { iss: ISSUER, aud: `chatkit:${WORKFLOW}`, sub: 'alice', sid: session.id }
  const target = { generation: 0, at: 'server', to: '/files/1.png' }
  const claims = { ...whose, jti: 'jti_x', iat, exp: iat + 60, ...target, ...changed }
  const link = scene.keys.signForSelf(claims, LINK_TYPES.file)
  return answerOf(await fetch(`${scene.url}?file=${link}`))
}

async function started(): Promise<Files> {
  const files = await startFiles()
  files.serve(bytes('image/png', 'abc'))
  expect((await follow(files)).status).toBe(200)
  files.seen.length = 0
  return files
}

const others: Record<string, (files: Files) => Promise<Session>> = {
  'another user': ({ scene }) => scene.session('bob'),
  'another workflow': ({ scene }) => scene.session('alice', { workflow: workflowName('other') }),
}

test.each(Object.entries(others))(
  'a link with the session of %s opens nothing',
  async (_name, open) => {
    const files = await started()
    const { id } = await open(files)
    expectProblem(await follow(files, { sid: id }), 401, 'invalid_token')
    expect(files.seen).toEqual([])
  },
)

test.each<[string, Record<string, unknown>]>([
  ['a session that the registry does not have', { sid: 'cksess_gone' }],
  ['a place that the workflow does not have', { at: 'upload' }],
  ['the endpoint of the server itself', { to: '/chatkit' }],
  ['a generation before the present one', { generation: -1 }],
])('a link with %s opens nothing', async (_name, changed) => {
  const files = await started()
  expectProblem(await follow(files, changed), 401, 'invalid_token')
  expect(files.seen).toEqual([])
})

test('a link opens nothing while its user is blocked, though it was made under that block', async () => {
  const files = await started()
  const now = Math.floor(Date.now() / 1000)
  const block = { until: now + 600, reason: undefined, by: 'ada' }
  await files.scene.registry.revoke({
    ...{ user: userId('alice'), endReason: 'revoked', by: 'ada', now },
    block,
  })
  const standing = { user: 'alice', identity: { issuer: 'i' }, now }
  const { generation } = await files.scene.registry.readStanding(standing)
  expectProblem(await follow(files, { generation }), 401, 'invalid_token')
  await files.scene.registry.liftBlock(userId('alice'), now)
  expect((await follow(files, { generation })).status).toBe(200)
  expect(files.seen).toHaveLength(1)
})
