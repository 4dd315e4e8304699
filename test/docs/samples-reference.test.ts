import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { SAMPLES } from '../../src/http/backend/samples.ts'
import { renderReference } from '../../src/http/docs/guides.ts'
import { makeReference } from '../../src/http/docs/reference.ts'
import { createOpenApi } from '../../src/http/openapi/document.ts'
import { ROUTES } from '../../src/http/route-table.ts'
import { asAt, createThread } from '../gateway/scene.ts'
import { BILLING, startBackend } from '../http/backend/scene.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { forAllTests } from '../support/started.ts'
import { type Language, ROOT, runSamples } from './samples.ts'

// The samples of the reference, run as they stand but for the ids of a thread and a session that exist.

const scene = forAllTests(() => startBackend())
const folder = scratchFolder()

/** In the place of the official package, which pip has and npm has not: its six calls, over urllib. */
const OPENAI_PY = `
import json, os, urllib.parse, urllib.request

class Calls:
    def __init__(self, call):
        self._call = call
    def create(self, **body): return self._call("POST", "/sessions", body)
    def cancel(self, id): return self._call("POST", "/sessions/" + id + "/cancel")
    def list(self, **query): return self._call("GET", "/threads?" + urllib.parse.urlencode(query))
    def retrieve(self, id): return self._call("GET", "/threads/" + id)
    def delete(self, id): return self._call("DELETE", "/threads/" + id)
    def list_items(self, id, **query):
        return self._call("GET", "/threads/" + id + "/items?" + urllib.parse.urlencode(query))

class OpenAI:
    def __init__(self):
        self.beta = self.chatkit = self
        self.sessions = self.threads = Calls(self._call)
    def _call(self, method, path, body=None):
        headers = {"Authorization": "Bearer " + os.environ["OPENAI_API_KEY"], "Content-Type": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = os.environ["OPENAI_BASE_URL"] + "/chatkit" + path
        request = urllib.request.Request(url, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            return answer.read().decode()
`

beforeAll(() => {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  mkdirSync(join(folder, 'python'))
  writeFileSync(join(folder, 'python', 'openai.py'), OPENAI_PY)
})

/** A session of alice with one thread. */
async function seed() {
  const workflow = { id: 'helpdesk' }
  const { id, client_secret } = await scene
    .client()
    .beta.chatkit.sessions.create({ user: 'alice', workflow })
  const asker = asAt(`${scene.running.url}/chatkit/helpdesk`, { secret: client_secret })
  return { session: id, thread: (await createThread(asker, 'good morning')).id }
}

const SHOWN = {
  createChatKitSession: /client_secret/,
  cancelChatKitSession: /cancelled/,
  listChatKitThreads: /good morning/,
  retrieveChatKitThread: /good morning/,
  deleteChatKitThread: /chatkit\.thread\.deleted/,
  listChatKitThreadItems: /chatkit\.user_message/,
} as const satisfies Record<keyof typeof SAMPLES, RegExp>

const ALL = (Object.keys(SHOWN) as (keyof typeof SHOWN)[]).flatMap((name) =>
  SAMPLES[name].map(({ lang, source }) => ({ name, lang, source })),
)

/** Output of a language's samples, by name. One process runs all, with a session and a thread for each. */
async function outputsIn(language: Language): Promise<ReadonlyMap<string, string>> {
  const own = ALL.filter(({ lang }) => lang === language)
  const sources: string[] = []
  for (const { source } of own) {
    const { session, thread } = await seed()
    sources.push(source.replaceAll('cksess_68e5', session).replaceAll('cthr_68e5', thread))
  }
  const api = { OPENAI_BASE_URL: scene.base, OPENAI_API_KEY: BILLING }
  const env = { ...api, PYTHONPATH: join(folder, 'python') }
  const ran = await runSamples(language, sources, { folder, env })
  return new Map(own.map(({ name }, at) => [name, ran[at]?.output ?? '']))
}

const ran = new Map<Language, ReturnType<typeof outputsIn>>()

test.each(ALL)('$name in $lang does what it shows', async ({ name, lang }) => {
  const language = lang as Language
  const outputs = ran.get(language) ?? outputsIn(language)
  ran.set(language, outputs)
  expect((await outputs).get(name)).toMatch(SHOWN[name])
})

test('the reference shows each of them', () => {
  const reference = renderReference(makeReference(createOpenApi(ROUTES, undefined)))
  const page = reference.replaceAll(/<\/?span[^>]*>/g, '').replaceAll('&#39;', "'")
  for (const { source } of ALL) {
    const first = source.split('\n').at(-1) ?? ''
    expect(page).toContain(first.replaceAll('"', '&quot;'))
  }
})
