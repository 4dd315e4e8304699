import { describe, expect, it } from 'vitest'
import {
  chatSession,
  createSessionParams,
  issuedSession,
} from '../../../src/chatkit/wire/session.ts'
import { accepts, SESSION } from '../../support/chatkit/examples.ts'

describe('create-session body', () => {
  const minimal = { user: 'u', workflow: { id: 'wf_1' } }
  const withWorkflow = (more: object) => ({ ...minimal, workflow: { id: 'wf_1', ...more } })
  const variables = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`k${index}`, index]))
  const upload = (file_upload: object) => ({ ...minimal, chatkit_configuration: { file_upload } })
  const history = (value: object) => ({ ...minimal, chatkit_configuration: { history: value } })
  const expiry = (expires_after: object) => ({ ...minimal, expires_after })
  const rate = (max: unknown) => ({ ...minimal, rate_limits: { max_requests_per_1_minute: max } })

  it.each([
    ['the least', minimal],
    ['a user of 512 characters outside the BMP', { ...minimal, user: '😀'.repeat(512) }],
    ['64 state variables', withWorkflow({ state_variables: variables(64) })],
    ['a key of 64 characters', withWorkflow({ state_variables: { ['k'.repeat(64)]: true } })],
    ['text, number and boolean', withWorkflow({ state_variables: { a: '', b: 1.5, c: false } })],
    ['a version', withWorkflow({ version: 'latest', tracing: { enabled: false } })],
    ['1 second', expiry({ anchor: 'created_at', seconds: 1 })],
    ['600 seconds', expiry({ anchor: 'created_at', seconds: 600 })],
    ['one request a minute', rate(1)],
    ['empty limits', { ...minimal, rate_limits: {} }],
    ['uploads of 1 and of 512', upload({ enabled: true, max_file_size: 512, max_files: 1 })],
    ['a short history', history({ enabled: true, recent_threads: 1 })],
    ['no features', { ...minimal, chatkit_configuration: {} }],
  ])('accepts %s', (_, body) => {
    expect(createSessionParams.parse(body)).toEqual(body)
  })

  it.each([
    ['no user', { workflow: { id: 'wf_1' } }],
    ['an empty user', { ...minimal, user: '' }],
    ['a user of 513 characters', { ...minimal, user: 'u'.repeat(513) }],
    ['no workflow', { user: 'u' }],
    ['a workflow that is only a string', { user: 'u', workflow: 'wf_1' }],
    ['an empty workflow id', { user: 'u', workflow: { id: '' } }],
    ['a blank version', withWorkflow({ version: '' })],
    ['65 state variables', withWorkflow({ state_variables: variables(65) })],
    ['a key of 65 characters', withWorkflow({ state_variables: { ['k'.repeat(65)]: 1 } })],
    ['a null state variable', withWorkflow({ state_variables: { a: null } })],
    ['a nested state variable', withWorkflow({ state_variables: { a: {} } })],
    ['an infinite state variable', withWorkflow({ state_variables: { a: Infinity } })],
    ['an unknown field', { ...minimal, admin: true }],
    ['an unknown field inside', withWorkflow({ temperature: 1 })],
    ['no anchor', expiry({ seconds: 60 })],
    ['another anchor', expiry({ anchor: 'last_active_at', seconds: 60 })],
    ['0 seconds', expiry({ anchor: 'created_at', seconds: 0 })],
    ['601 seconds', expiry({ anchor: 'created_at', seconds: 601 })],
    ['half a second', expiry({ anchor: 'created_at', seconds: 1.5 })],
    ['no request a minute', rate(0)],
    ['a limit in words', rate('10')],
    ['uploads of nothing', upload({ max_file_size: 0 })],
    ['uploads of 513 MB', upload({ max_file_size: 513 })],
    ['no files', upload({ max_files: 0 })],
    ['no threads', history({ recent_threads: 0 })],
  ])('refuses %s', (_, body) => {
    expect(accepts(createSessionParams, body)).toBe(false)
  })
})

describe('session answers', () => {
  it('accepts null where the reference allows it', () => {
    const nulls = {
      ...SESSION,
      workflow: { ...SESSION.workflow, state_variables: null, version: null },
      chatkit_configuration: {
        ...SESSION.chatkit_configuration,
        file_upload: { enabled: false, max_file_size: null, max_files: null },
        history: { enabled: true, recent_threads: null },
      },
    }
    expect(chatSession.parse(nulls)).toEqual(nulls)
  })

  it('keeps fields it does not know', () => {
    const grown = { ...SESSION, region: 'eu', workflow: { ...SESSION.workflow, name: 'Support' } }
    expect(chatSession.parse(grown)).toEqual(grown)
  })

  it('are accepted at a create with the essential fields alone', () => {
    const { id, client_secret, expires_at, status, user } = SESSION
    const essentials = { id, client_secret, expires_at, status, user }
    const issued = issuedSession.parse(essentials)
    expect({ ...issued, client_secret: issued.client_secret.reveal() }).toEqual(essentials)
    expect(accepts(chatSession, essentials)).toBe(false)
  })

  it.each(['id', 'client_secret', 'expires_at', 'status', 'user'])(
    'without %s are refused',
    (key) => {
      expect(accepts(issuedSession, { ...SESSION, [key]: undefined })).toBe(false)
    },
  )

  it.each([
    [{ id: '' }],
    [{ client_secret: '' }],
    [{ client_secret: null }],
    [{ expires_at: 'soon' }],
    [{ status: 'frozen' }],
  ])('with %j are refused', (wrong) => {
    expect(accepts(issuedSession, { ...SESSION, ...wrong })).toBe(false)
  })
})
