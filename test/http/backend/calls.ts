import type OpenAI from 'openai'

export type ChatKit = OpenAI['beta']['chatkit']

const ITEMS = 6

/** Ten threads, two in each second; the newest has items. */
export const THREADS = Array.from({ length: 10 }, (_, at) => ({
  id: `cthr_${at}`,
  user: at % 3 === 0 ? 'bob' : 'alice',
  created_at: 1_790_000_000 + (at >> 1),
  title: at % 2 === 0 ? `thread ${at}` : null,
  items: Array.from({ length: at === 9 ? ITEMS : 0 }, (_, number) => ({
    id: `cthi_${number}`,
    type: 'chatkit.assistant_message' as const,
    content: [{ type: 'output_text' as const, text: `answer ${number}` }],
  })),
}))

const USER = { user: 'alice' }
const WORKFLOW = { id: 'wf_support' }
const create =
  (more: object, workflow: object = {}) =>
  (chatkit: ChatKit) =>
    chatkit.sessions.create({ ...USER, workflow: { ...WORKFLOW, ...workflow }, ...more })
const list = (query: object) => (chatkit: ChatKit) => all(chatkit.threads.list(query))
const page = (query: object) => async (chatkit: ChatKit) =>
  (await chatkit.threads.list(query).asResponse()).json()
const items = (query: object, id = 'cthr_9') => {
  return (chatkit: ChatKit) => all(chatkit.threads.listItems(id, query))
}
const itemPage = (query: object) => async (chatkit: ChatKit) =>
  (await chatkit.threads.listItems('cthr_9', query).asResponse()).json()

async function all<T>(pages: AsyncIterable<T>): Promise<readonly T[]> {
  const entries: T[] = []
  for await (const entry of pages) entries.push(entry)
  return entries
}

/** Calls of a backend with the official client; they do not depend on the target. */
export const CALLS: readonly (readonly [
  name: string,
  call: (chatkit: ChatKit) => Promise<unknown>,
])[] = [
  ['create a session with no option', create({})],
  ['with a version', create({}, { version: '3' })],
  ['with state variables', create({}, { state_variables: { plan: 'pro', seats: 4, on: true } })],
  ['with no state variable in the map', create({}, { state_variables: {} })],
  ['with tracing off', create({}, { tracing: { enabled: false } })],
  ['with tracing unsaid', create({}, { tracing: {} })],
  ['with a life', create({ expires_after: { anchor: 'created_at', seconds: 1 } })],
  ['with a limit', create({ rate_limits: { max_requests_per_1_minute: 1 } })],
  ['with a limit unsaid', create({ rate_limits: {} })],
  ['with features unsaid', create({ chatkit_configuration: {} })],
  ['without titles', feature({ automatic_thread_titling: { enabled: false } })],
  ['with uploads', feature({ file_upload: { enabled: true, max_file_size: 512, max_files: 1 } })],
  ['with uploads unsaid', feature({ file_upload: {} })],
  ['without history', feature({ history: { enabled: false } })],
  ['with some history', feature({ history: { recent_threads: 1 } })],
  ['with null for what is left out', create(nothing('chatkit_configuration', 'expires_after'))],
  ['with null inside of it', create({ rate_limits: nothing('max_requests_per_1_minute') })],
  ['with null deep in it', feature({ history: nothing('enabled', 'recent_threads') })],
  ['with null in the workflow', create({}, nothing('version', 'state_variables', 'tracing'))],
  ['for a user of 512 letters', create({ user: 'é'.repeat(512) })],

  ['create for nobody', create({ user: '' })],
  ['for a user of 513 letters', create({ user: 'u'.repeat(513) })],
  ['for a number', create({ user: 1 })],
  ['for null', create({ user: null })],
  ['with null for an unknown option', create({ colour: null })],
  ['with a workflow that has no id', create({ workflow: {} })],
  ['with an unknown option', create({ colour: 'red' })],
  ['with an unknown option of the workflow', create({}, { colour: 'red' })],
  ['with a version that is a number', create({}, { version: 3 })],
  ['with 65 state variables', create({}, { state_variables: many(65) })],
  ['with a name of 65 letters', create({}, { state_variables: { ['n'.repeat(65)]: 1 } })],
  ['with null as state variable', create({}, { state_variables: { plan: null } })],
  ['with a life of 601 s', create({ expires_after: { anchor: 'created_at', seconds: 601 } })],
  ['with a life of 0 s', create({ expires_after: { anchor: 'created_at', seconds: 0 } })],
  ['with a life without anchor', create({ expires_after: { seconds: 5 } })],
  ['with a limit of 0', create({ rate_limits: { max_requests_per_1_minute: 0 } })],
  ['with a limit of 1.5', create({ rate_limits: { max_requests_per_1_minute: 1.5 } })],
  ['with files of 513 MB', feature({ file_upload: { max_file_size: 513 } })],
  ['with 0 files', feature({ file_upload: { max_files: 0 } })],
  ['with 0 threads of history', feature({ history: { recent_threads: 0 } })],
  ['with "yes" for true', feature({ history: { enabled: 'yes' } })],

  ['cancel a session', async (to) => to.sessions.cancel((await create({})(to)).id)],
  ['cancel it twice', cancelTwice],
  ['cancel none', (to) => to.sessions.cancel('cksess_none')],

  ['list every thread', list({})],
  ['oldest first', list({ order: 'asc' })],
  ...[1, 2, 3, 9, 10, 100].flatMap((limit) => [
    [`by ${limit}`, list({ limit })] as const,
    [`oldest first by ${limit}`, list({ limit, order: 'asc' })] as const,
  ]),
  ['of one user', list({ user: 'bob', limit: 2 })],
  ['of one user, oldest first', list({ user: 'bob', limit: 2, order: 'asc' })],
  ['of nobody', page({ user: 'nobody' })],
  ['a page of none', page({ limit: 0 })],
  ['the first page', page({ limit: 4 })],
  ['the page after one', page({ limit: 4, after: 'cthr_6' })],
  ['the page after one, oldest first', page({ limit: 4, after: 'cthr_6', order: 'asc' })],
  ['the page before one', page({ limit: 4, before: 'cthr_3' })],
  ['the page before one, oldest first', page({ limit: 2, before: 'cthr_3', order: 'asc' })],
  ['the page between two', page({ after: 'cthr_8', before: 'cthr_4', limit: 2 })],
  ['the page after the last', page({ after: 'cthr_0' })],
  ['the page before the first', page({ before: 'cthr_9' })],
  ['the page after one of the user', page({ user: 'bob', after: 'cthr_6' })],
  ['after a thread of another user', page({ user: 'bob', after: 'cthr_8' })],
  ['after no thread', page({ after: 'cthr_none' })],
  ['before no thread', page({ before: 'cthr_none' })],
  ['between a thread and none', page({ after: 'cthr_8', before: 'cthr_none' })],
  ['between none and a thread', page({ after: 'cthr_none', before: 'cthr_8' })],
  ['by 101', page({ limit: 101 })],
  ['by -1', page({ limit: -1 })],
  ['by 1.5', page({ limit: 1.5 })],
  ['in no order', page({ order: 'newest' })],
  ['of a user of 513 letters', page({ user: 'u'.repeat(513) })],
  ['with an unknown parameter', page({ colour: 'red' })],

  ...[0, 1, 2, 3].map((at) => {
    return [`retrieve thread ${at}`, (to: ChatKit) => to.threads.retrieve(`cthr_${at}`)] as const
  }),
  ['retrieve none', (to) => to.threads.retrieve('cthr_none')],
  ['items', items({})],
  ['items oldest first by 1', items({ order: 'asc', limit: 1 })],
  ['items by 4', items({ limit: 4 })],
  ['items of an empty thread', items({}, 'cthr_8')],
  ['items of none', items({}, 'cthr_none')],
  ['a page of no items', itemPage({ limit: 0 })],
  ['items after one', itemPage({ after: 'cthi_4', limit: 2 })],
  ['items before one', itemPage({ before: 'cthi_1', limit: 2 })],
  ['items between two', itemPage({ after: 'cthi_5', before: 'cthi_1', limit: 3 })],
  ['items after none', itemPage({ after: 'cthi_none' })],
  ['items between one and none', itemPage({ after: 'cthi_4', before: 'cthi_none' })],
  ['items by 101', itemPage({ limit: 101 })],

  ['delete a thread', (to) => to.threads.delete('cthr_4')],
  ['delete it again', (to) => to.threads.delete('cthr_4')],
  ['retrieve it', (to) => to.threads.retrieve('cthr_4')],
  ['list the others', list({ limit: 3 })],
]

function feature(chatkit_configuration: object) {
  return create({ chatkit_configuration })
}

/** Null for each name, as languages without an absent value send it. */
function nothing(...names: readonly string[]): Record<string, null> {
  return Object.fromEntries(names.map((name) => [name, null]))
}

async function cancelTwice(chatkit: ChatKit) {
  const { id } = await create({})(chatkit)
  await chatkit.sessions.cancel(id)
  return chatkit.sessions.cancel(id)
}

function many(count: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`name_${at}`, at]))
}
