import type { ThreadSeed } from '../../../src/embedded/chatkit-api/seed.ts'

/** All six kinds of item, every field of the reference set, every nested variant present. */
export const FULL_ITEMS: NonNullable<ThreadSeed['items']> = [
  {
    type: 'chatkit.user_message',
    content: [
      { type: 'quoted_text', text: 'as you said' },
      { type: 'input_text', text: 'why?' },
    ],
    attachments: [
      {
        id: 'att_1',
        type: 'image',
        mime_type: 'image/png',
        name: 'a.png',
        preview_url: 'https://files.example/a.png',
      },
      { id: 'att_2', type: 'file', mime_type: 'text/plain', name: 'b.txt', preview_url: null },
    ],
    inference_options: { model: 'gpt-x', tool_choice: { id: 'search' } },
  },
  {
    type: 'chatkit.assistant_message',
    content: [
      {
        type: 'output_text',
        text: 'because',
        annotations: [
          { type: 'file', source: { type: 'file', filename: 'b.txt' } },
          { type: 'url', source: { type: 'url', url: 'https://docs.example/' } },
        ],
      },
    ],
  },
  { type: 'chatkit.widget', widget: '{"type":"Card"}' },
  {
    type: 'chatkit.client_tool_call',
    status: 'completed',
    call_id: 'call_1',
    name: 'open_page',
    arguments: '{"page":1}',
    output: '{"ok":true}',
  },
  { type: 'chatkit.task', task_type: 'thought', heading: 'Looking', summary: 'in the docs' },
  { type: 'chatkit.task_group', tasks: [{ type: 'custom', heading: 'One', summary: 'first' }] },
]

/** All six kinds of items with only their type, and the items that the API makes of them. */
export const BARE_ITEMS: readonly (readonly [type: string, filled: object])[] = [
  ['chatkit.user_message', { content: [], attachments: [], inference_options: null }],
  ['chatkit.assistant_message', { content: [] }],
  ['chatkit.widget', { widget: '{}' }],
  [
    'chatkit.client_tool_call',
    { status: 'in_progress', name: 'tool', arguments: '{}', output: null },
  ],
  ['chatkit.task', { task_type: 'custom', heading: null, summary: null }],
  ['chatkit.task_group', { tasks: [] }],
]

/** A thread of `user` with one item of each kind. */
export function fullThread(user: string): ThreadSeed {
  return { user, title: 'Everything', items: FULL_ITEMS }
}
