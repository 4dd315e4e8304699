// The six operations of the ChatKit API as routes: their addresses, parameters, answers and descriptions. The
// embedded ChatKit API serves the same ones.

import { type ChatSession, chatSession, createSessionParams } from '../../chatkit/wire/session.ts'
import {
  type Thread,
  thread,
  threadDeleted,
  threadItemPage,
  threadPage,
} from '../../chatkit/wire/thread.ts'
import { listQuery, threadListQuery } from '../../chatkit/wire/wire.ts'
import {
  idInPath,
  jsonAnswer,
  pageAnswer,
  type RouteDefinitions,
  UPSTREAM,
} from '../route-definition.ts'
import { SAMPLES } from './samples.ts'

const sessionExample: ChatSession = {
  id: 'cksess_68e5',
  object: 'chatkit.session',
  status: 'active',
  user: 'alice',
  client_secret: 'ek_68e5…',
  expires_at: 1_790_000_600,
  max_requests_per_1_minute: 10,
  rate_limits: { max_requests_per_1_minute: 10 },
  workflow: { id: 'helpdesk', version: null, state_variables: null, tracing: { enabled: false } },
  chatkit_configuration: {
    automatic_thread_titling: { enabled: true },
    file_upload: { enabled: false, max_file_size: 512, max_files: 10 },
    history: { enabled: true, recent_threads: null },
  },
}

const threadExample: Thread = {
  id: 'cthr_68e5',
  object: 'chatkit.thread',
  created_at: 1_790_000_000,
  status: { type: 'active' },
  title: 'A delayed order',
  user: 'alice',
}

const itemExample = {
  id: 'cthi_68e5',
  object: 'chatkit.thread_item',
  created_at: 1_790_000_000,
  thread_id: 'cthr_68e5',
  type: 'chatkit.user_message',
  content: [{ type: 'input_text', text: 'Where is my order?' }],
  attachments: [],
  inference_options: null,
}

const common = { checks: ['backend'], tag: 'chatkit api' } as const
const SESSION = { session_id: idInPath('The session, cksess_…', 'cksess_68e5') }
const THREAD = { thread_id: idInPath('The thread, cthr_…', 'cthr_68e5') }

export const BACKEND_ROUTES = {
  createChatKitSession: {
    ...common,
    samples: SAMPLES.createChatKitSession,
    method: 'POST',
    path: '/v1/chatkit/sessions',
    summary: 'Create a ChatKit session',
    description:
      'For a backend with an API key of the config, as the ChatKit API has it. `workflow.id` is a ' +
      "workflow's name, one of its `answers_to`, or its id at OpenAI. `user` and `state_variables` are the " +
      "backend's own; parameters that are absent or null come from the config.",
    requestBody: {
      schema: createSessionParams,
      example: { user: 'alice', workflow: { id: 'helpdesk' } },
    },
    answers: [jsonAnswer('The session, with its client secret.', chatSession, sessionExample)],
    problems: [...UPSTREAM, 'user_blocked', 'session_limit'],
  },
  cancelChatKitSession: {
    ...common,
    samples: SAMPLES.cancelChatKitSession,
    method: 'POST',
    path: '/v1/chatkit/sessions/{session_id}/cancel',
    summary: 'Cancel a ChatKit session',
    description:
      'Ends a session of any workflow that the key may use, and its running answers. 503 while OpenAI has ' +
      'not confirmed the cancel, which goes on. The answer never holds the client secret.',
    pathParameters: SESSION,
    answers: [
      jsonAnswer('The session as it is now.', chatSession, {
        ...sessionExample,
        status: 'cancelled',
        client_secret: '',
      }),
    ],
    problems: ['upstream_unavailable'],
  },
  listChatKitThreads: {
    ...common,
    samples: SAMPLES.listChatKitThreads,
    method: 'GET',
    path: '/v1/chatkit/threads',
    summary: 'List ChatKit threads',
    description:
      "Of all workflows that the key may use; without `user`, every user's. A parameter that the " +
      'reference does not have is ignored.',
    query: threadListQuery,
    answers: [pageAnswer(threadPage, threadExample, threadExample.id)],
    problems: UPSTREAM,
  },
  retrieveChatKitThread: {
    ...common,
    samples: SAMPLES.retrieveChatKitThread,
    method: 'GET',
    path: '/v1/chatkit/threads/{thread_id}',
    summary: 'Retrieve a ChatKit thread',
    description: 'A thread of any user, in a workflow that the key may use.',
    pathParameters: THREAD,
    answers: [jsonAnswer('The thread.', thread, threadExample)],
    problems: UPSTREAM,
  },
  deleteChatKitThread: {
    ...common,
    samples: SAMPLES.deleteChatKitThread,
    method: 'DELETE',
    path: '/v1/chatkit/threads/{thread_id}',
    summary: 'Delete a ChatKit thread',
    description: 'With its items and attachments.',
    pathParameters: THREAD,
    answers: [
      jsonAnswer('It is gone.', threadDeleted, {
        id: threadExample.id,
        object: 'chatkit.thread.deleted',
        deleted: true,
      }),
    ],
    problems: UPSTREAM,
  },
  listChatKitThreadItems: {
    ...common,
    samples: SAMPLES.listChatKitThreadItems,
    method: 'GET',
    path: '/v1/chatkit/threads/{thread_id}/items',
    summary: 'List ChatKit thread items',
    description: 'Messages, tool calls, tasks and widgets of a thread.',
    pathParameters: THREAD,
    query: listQuery,
    answers: [pageAnswer(threadItemPage, itemExample, itemExample.id)],
    problems: UPSTREAM,
  },
} satisfies RouteDefinitions
