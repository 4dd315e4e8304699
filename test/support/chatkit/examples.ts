/** `chat_session` as in the ChatKit API reference, to the letter. */
export const SESSION = {
  id: 'id',
  chatkit_configuration: {
    automatic_thread_titling: { enabled: true },
    file_upload: { enabled: true, max_file_size: 0, max_files: 0 },
    history: { enabled: true, recent_threads: 0 },
  },
  client_secret: 'client_secret',
  expires_at: 0,
  max_requests_per_1_minute: 0,
  object: 'chatkit.session',
  rate_limits: { max_requests_per_1_minute: 0 },
  status: 'active',
  user: 'user',
  workflow: {
    id: 'id',
    state_variables: { foo: 'string' },
    tracing: { enabled: true },
    version: 'version',
  },
}

export function accepts(
  schema: { safeParse(value: unknown): { success: boolean } },
  value: unknown,
) {
  return schema.safeParse(value).success
}
