import { ADMIN_CONFIG, adminToken } from './admin-calls.ts'
import { startWatchedUpstream } from './chatkit/watched-upstream.ts'
import { type Running, type RunningOptions, startService } from './running-service.ts'

export interface Line {
  readonly type: string
  readonly [key: string]: unknown
}

/** A service in front of an upstream that a test can make misbehave. */
export async function startUserData(options: RunningOptions = {}) {
  const upstream = await startWatchedUpstream()
  const env = { OPENAI_BASE_URL: upstream.url, ...options.env }
  const running = await startService({ config: ADMIN_CONFIG, ...options, env })
  return {
    running,
    upstream,
    async close() {
      await running.close()
      await upstream.close()
    },
  }
}

/** Calls under `/v1/admin/users/{user}` as ada. */
export function callUser(
  { url }: Pick<Running, 'url'>,
  line: string,
  init: RequestInit = {},
): Promise<Response> {
  const [method = '', user = '', verb = ''] = line.split(' ')
  const path = `/v1/admin/users/${encodeURIComponent(user)}/${verb}`
  const headers = { authorization: `Bearer ${adminToken()}` }
  return fetch(url + path, { method, headers, ...init })
}

/** All lines of an answer of 200. */
export async function linesOf(response: Response): Promise<readonly Line[]> {
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${response.status} ${text}`)
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line))
}

export async function exportOf(running: Pick<Running, 'url'>, user: string) {
  return linesOf(await callUser(running, `GET ${user} export`))
}

/** Erases, and gives the summary. */
export async function eraseOf(running: Pick<Running, 'url'>, user: string): Promise<Line> {
  const lines = await linesOf(await callUser(running, `POST ${user} erase`))
  return summaryOf(lines)
}

/** The last line, which must be the only summary. */
export function summaryOf(lines: readonly Line[]): Line {
  const last = lines.at(-1)
  const summaries = lines.filter(({ type }) => type === 'summary')
  if (last?.type !== 'summary' || summaries.length !== 1) throw new Error('no summary at the end')
  return last
}

export function countsOf(lines: readonly Line[]): Record<string, number> {
  const groups = Map.groupBy(lines, ({ type }) => type)
  return Object.fromEntries([...groups].map(([type, some]) => [type, some.length]))
}
