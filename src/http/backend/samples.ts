// Samples of the six operations for the reference: curl, and the official SDK in JavaScript and Python. A test runs
// each as it stands, with OPENAI_BASE_URL and OPENAI_API_KEY in the environment.

import type { CodeSample } from '../route-definition.ts'

interface SampleParts {
  /** Path and query after the base URL; quoted for a shell. */
  readonly path: string
  /** Options of curl. */
  readonly curl?: readonly string[]
  /** The call after `chatkit.` in each language. */
  readonly javascript: string
  readonly python: string
}

function samplesOf({ path, curl = [], javascript, python }: SampleParts): readonly CodeSample[] {
  const words = ['-H "Authorization: Bearer $OPENAI_API_KEY"', ...curl]
  return [
    { lang: 'curl', source: [`curl "$OPENAI_BASE_URL${path}"`, ...words].join(' \\\n  ') },
    {
      lang: 'JavaScript',
      source: `import OpenAI from 'openai'

const openai = new OpenAI()
console.log(await openai.beta.chatkit.${javascript})`,
    },
    {
      lang: 'Python',
      source: `from openai import OpenAI

client = OpenAI()
print(client.beta.chatkit.${python})`,
    },
  ]
}

/** By operation id. */
export const SAMPLES = {
  createChatKitSession: samplesOf({
    path: '/chatkit/sessions',
    curl: [
      "-H 'Content-Type: application/json'",
      `-d '{"user": "alice", "workflow": {"id": "helpdesk"}}'`,
    ],
    javascript: "sessions.create({ user: 'alice', workflow: { id: 'helpdesk' } })",
    python: 'sessions.create(user="alice", workflow={"id": "helpdesk"})',
  }),
  cancelChatKitSession: samplesOf({
    path: '/chatkit/sessions/cksess_68e5/cancel',
    curl: ['-X POST'],
    javascript: "sessions.cancel('cksess_68e5')",
    python: 'sessions.cancel("cksess_68e5")',
  }),
  listChatKitThreads: samplesOf({
    path: '/chatkit/threads?user=alice&limit=2',
    javascript: "threads.list({ user: 'alice', limit: 2 })",
    python: 'threads.list(user="alice", limit=2)',
  }),
  retrieveChatKitThread: samplesOf({
    path: '/chatkit/threads/cthr_68e5',
    javascript: "threads.retrieve('cthr_68e5')",
    python: 'threads.retrieve("cthr_68e5")',
  }),
  deleteChatKitThread: samplesOf({
    path: '/chatkit/threads/cthr_68e5',
    curl: ['-X DELETE'],
    javascript: "threads.delete('cthr_68e5')",
    python: 'threads.delete("cthr_68e5")',
  }),
  listChatKitThreadItems: samplesOf({
    path: '/chatkit/threads/cthr_68e5/items?order=asc',
    javascript: "threads.listItems('cthr_68e5', { order: 'asc' })",
    python: 'threads.list_items("cthr_68e5", order="asc")',
  }),
}
