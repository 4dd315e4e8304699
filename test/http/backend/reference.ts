/** Fields of every kind of item, and of every list. */
const ITEM = {
  id: 'string',
  created_at: 'number',
  object: '"chatkit.thread_item"',
  thread_id: 'string',
}
const LIST = { first_id: 'string?', has_more: 'boolean', last_id: 'string?', object: '"list"' }

/**
 * The objects of the ChatKit API reference, copied from it by hand: for each field its type, with `?` where
 * it may be null. A type is `string`, `number`, `boolean`, `map` (of strings, numbers and booleans), quoted
 * literals, names of objects (told apart by their `type`), or a list of these with `[]` before it.
 */
const REFERENCE: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  chat_session: {
    id: 'string',
    chatkit_configuration: 'chatkit_configuration',
    client_secret: 'string',
    expires_at: 'number',
    max_requests_per_1_minute: 'number',
    object: '"chatkit.session"',
    rate_limits: 'rate_limits',
    status: '"active"|"expired"|"cancelled"',
    user: 'string',
    workflow: 'chatkit_workflow',
  },
  chatkit_configuration: {
    automatic_thread_titling: 'automatic_thread_titling',
    file_upload: 'file_upload',
    history: 'history',
  },
  automatic_thread_titling: { enabled: 'boolean' },
  file_upload: { enabled: 'boolean', max_file_size: 'number?', max_files: 'number?' },
  history: { enabled: 'boolean', recent_threads: 'number?' },
  rate_limits: { max_requests_per_1_minute: 'number' },
  chatkit_workflow: {
    id: 'string',
    state_variables: 'map?',
    tracing: 'tracing',
    version: 'string?',
  },
  tracing: { enabled: 'boolean' },
  threads: { ...LIST, data: '[]chatkit_thread' },
  chatkit_thread: {
    id: 'string',
    created_at: 'number',
    object: '"chatkit.thread"',
    status: 'active|locked|closed',
    title: 'string?',
    user: 'string',
  },
  active: { type: '"active"' },
  locked: { reason: 'string?', type: '"locked"' },
  closed: { reason: 'string?', type: '"closed"' },
  thread_delete_response: { id: 'string', deleted: 'boolean', object: '"chatkit.thread.deleted"' },
  chatkit_thread_item_list: {
    ...LIST,
    data: '[]user_message|assistant_message|widget|client_tool_call|task|task_group',
  },
  user_message: {
    ...ITEM,
    attachments: '[]attachment',
    content: '[]input_text|quoted_text',
    inference_options: 'inference_options?',
    type: '"chatkit.user_message"',
  },
  attachment: {
    id: 'string',
    mime_type: 'string',
    name: 'string',
    preview_url: 'string?',
    type: '"image"|"file"',
  },
  input_text: { text: 'string', type: '"input_text"' },
  quoted_text: { text: 'string', type: '"quoted_text"' },
  inference_options: { model: 'string?', tool_choice: 'tool_choice?' },
  tool_choice: { id: 'string' },
  assistant_message: { ...ITEM, content: '[]output_text', type: '"chatkit.assistant_message"' },
  output_text: {
    annotations: '[]file_annotation|url_annotation',
    text: 'string',
    type: '"output_text"',
  },
  file_annotation: { source: 'file_source', type: '"file"' },
  file_source: { filename: 'string', type: '"file"' },
  url_annotation: { source: 'url_source', type: '"url"' },
  url_source: { type: '"url"', url: 'string' },
  widget: { ...ITEM, type: '"chatkit.widget"', widget: 'string' },
  client_tool_call: {
    ...ITEM,
    arguments: 'string',
    call_id: 'string',
    name: 'string',
    output: 'string?',
    status: '"in_progress"|"completed"',
    type: '"chatkit.client_tool_call"',
  },
  task: {
    ...ITEM,
    heading: 'string?',
    summary: 'string?',
    task_type: '"custom"|"thought"',
    type: '"chatkit.task"',
  },
  task_group: { ...ITEM, tasks: '[]grouped_task', type: '"chatkit.task_group"' },
  grouped_task: { heading: 'string?', summary: 'string?', type: '"custom"|"thought"' },
}

/** Objects that answers are made of. */
export type ReferenceName =
  | 'chat_session'
  | 'threads'
  | 'chatkit_thread'
  | 'thread_delete_response'
  | 'chatkit_thread_item_list'

/**
 * Compares an answer with the reference.
 *
 * @returns a line for each field that is missing, of another type, or not in the reference
 */
export function faultsOf(name: ReferenceName, answer: unknown): readonly string[] {
  return faultsIn(answer, name, name)
}

function faultsIn(value: unknown, type: string, path: string): readonly string[] {
  if (type.endsWith('?')) return value === null ? [] : faultsIn(value, type.slice(0, -1), path)
  if (type.startsWith('[]')) {
    if (!Array.isArray(value)) return [`${path}: no list`]
    return value.flatMap((one, at) => faultsIn(one, type.slice(2), `${path}[${at}]`))
  }
  if (type === 'map') {
    const isMap = isObject(value) && Object.values(value).every((one) => !isObject(one))
    return isMap ? [] : [`${path}: no map`]
  }
  const names = type.split('|').filter((one) => one in REFERENCE)
  if (names.length > 0) return faultsOfObject(value, names, path)
  const isRight = type.startsWith('"')
    ? type.split('|').includes(JSON.stringify(value))
    : typeof value === type
  return isRight ? [] : [`${path}: ${JSON.stringify(value)}, not ${type}`]
}

function faultsOfObject(value: unknown, names: readonly string[], path: string): readonly string[] {
  if (!isObject(value)) return [`${path}: ${JSON.stringify(value)}, no object`]
  const kind = JSON.stringify(value['type'])
  const name =
    names.length === 1 ? names[0] : names.find((one) => REFERENCE[one]?.['type'] === kind)
  const fields = REFERENCE[name ?? '']
  if (fields === undefined) return [`${path}: of the type ${kind}`]
  return [
    ...Object.entries(fields).flatMap(([field, type]) =>
      field in value
        ? faultsIn(value[field], type, `${path}.${field}`)
        : [`${path}.${field}: missing`],
    ),
    ...Object.keys(value)
      .filter((field) => !(field in fields))
      .map((field) => `${path}.${field}: unknown`),
  ]
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
