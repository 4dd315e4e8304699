import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { isMap, parseDocument } from 'yaml'
import { runCli } from '../../src/commands/cli/program.ts'
import { loadConfig } from '../../src/config/file/load-config.ts'
import { Secret } from '../../src/lib/secret.ts'
import { guideNames, guideText, ROOT, sampleOf, samplesIn } from './samples.ts'

// Samples that are config, shell or headers: loaded, parsed, and compared with what there is.

const REST: Readonly<Record<string, string>> = {
  issuers:
    'issuers:\n  - { issuer: https://login.acme.example/, audience: [a], algorithms: [RS256] }\n',
  user: 'user: claims.sub\n',
  workflows: 'workflows:\n  support: { id: wf_abc }\n',
}

describe('yaml', () => {
  test.each(samplesIn('yaml'))('$file passes the check of the config', ({ text, file }) => {
    const { contents } = parseDocument(text)
    const keys = isMap(contents) ? contents.items.map(({ key }) => String(key)) : []
    const rest = Object.entries(REST).filter(([key]) => !keys.includes(key))
    const config = [...rest.map(([, yaml]) => yaml), text].join('\n')
    const secrets = (name: string) =>
      /KEY|SECRET/.test(name) ? new Secret('k'.repeat(48)) : undefined
    const { settings } = loadConfig(config, { file, secrets })
    expect(settings.workflows.length).toBeGreaterThan(0)
  })
})

describe('sh', () => {
  test.each(samplesIn('sh'))('$file is what bash can read', ({ text }) => {
    const { status, stderr } = spawnSync('bash', ['-n'], { input: text, encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })
})

/** Secrets in arguments stay in the history of the shell, and other users of the machine can see them. */
test('no command of a guide, or in a comment of the config, has a secret among its arguments', () => {
  const files = ['README.md', 'fly.toml', 'config/compose.yaml', 'config/kubernetes.yaml']
  const texts = [
    ...samplesIn('sh').map(({ text }) => text),
    ...guideNames.flatMap((name) => guideText(name).match(/`[^`\n]+`/g) ?? []),
    ...files.map((file) => readFileSync(join(ROOT, file), 'utf8')),
  ]
  const lines = texts.flatMap((text) => text.split('\n'))
  const given =
    /(?:kubectl|redis-cli|export) .*(?::replace-me@|=sk-)|--from-literal|secrets set \w+=/
  expect(lines.filter((line) => given.test(line))).toEqual([])
})

test.each(['src/docs/deploy.md', 'config/compose.yaml'])(
  '%s lets nobody else on the machine read the key that the shell writes',
  (file) => {
    const commands = readFileSync(join(ROOT, file), 'utf8').split('\n')
    const folder = commands.findIndex((line) => line.includes('mkdir -p -m 700 secrets'))
    const key = commands.findIndex((line) => line.includes('> secrets/signing-key.json'))
    expect(folder).not.toBe(-1)
    expect(key).toBeGreaterThan(folder)
  },
)

test('nginx takes the longest token that the service takes, beside the name of its header', () => {
  const [, kib = '0'] = /large_client_header_buffers \d+ (\d+)k;/.exec(guideText('deploy')) ?? []
  expect(Number(kib) * 1024).toBeGreaterThan(12_288 + 'Authorization: Bearer '.length)
})

test('the unit for systemd starts the service as npm start does, with variables that there are', () => {
  const unit = samplesIn('text').find(({ text }) => text.startsWith('[Unit]'))?.text ?? ''
  const [, start = ''] =
    /^ExecStart=\/opt\/chatkit-mint\/node_modules\/.bin\/(.+)$/m.exec(unit) ?? []
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  // systemd replaces its own process already; a shell needs `exec` for it.
  expect(`exec ${start}`).toBe(scripts.start)
  const variables = Array.from(unit.matchAll(/\b([A-Z]+_?[A-Z]+)=/g), ([, name]) => name)
  expect(variables.length).toBeGreaterThan(3)
  const known = guideText('environment')
  expect(variables.filter((name) => name !== 'NODE_ENV' && !known.includes(`\`${name}\``))).toEqual(
    [],
  )
})

/** `chatkit-mint …` in blocks and in the text, without what the shell takes. */
function commandLines(name: string): readonly string[] {
  const inBlocks = guideText(name).matchAll(/^ *(?:npx )?chatkit-mint ([^\n]*)$/gm)
  const inText = guideText(name).matchAll(/`(?:npx )?chatkit-mint ([^`]*)`/g)
  return [...inBlocks, ...inText].map(([, words]) => words?.replace(/ [<>|].*$/, '') ?? '')
}

function wordsOf(line: string): readonly string[] {
  return Array.from(line.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? '')
}

/** Output and result of a command with `--help`. */
async function helpOf(words: readonly string[]) {
  const written: string[] = []
  const stream = { write: (text: string) => written.push(text), columns: 100 }
  const io = { stdout: stream, stderr: stream, signal: new AbortController().signal }
  const code = await runCli([...words, '--help'], io as unknown as Parameters<typeof runCli>[1])
  return { code, text: written.join('') }
}

describe('the command line', () => {
  const lines = guideNames.flatMap((guide) => commandLines(guide).map((line) => ({ guide, line })))

  test('is in the guides at all', () => {
    expect(lines.length).toBeGreaterThan(8)
  })

  test.each(lines)('$guide: chatkit-mint $line', async ({ line }) => {
    const words = wordsOf(line)
    const options = words.filter((word) => word.startsWith('--'))
    const at = words.findIndex((word) => word.startsWith('-'))
    const before = at === -1 ? words : words.slice(0, at)
    // Behind the names of commands stand users, of which `|` is a part.
    const commands = before.filter((word) => /^[a-z]+(?:-[a-z]+)*$/.test(word))
    const { code, text } = await helpOf(commands)
    const [, named = '', more = ''] = /^Usage: chatkit-mint((?: [a-z-]+)*)(.*)/.exec(text) ?? []
    const found = named.match(/[a-z-]+/g) ?? []
    // An argument, as `bash` of `completion <shell>`, looks like the name of a command.
    const takesArgument = /[<[](?!options|command)/.test(more)
    expect({ code, named: found }).toEqual({
      code: 0,
      named: takesArgument ? commands.slice(0, found.length) : commands,
    })
    for (const option of options) expect(text).toContain(` ${option} `)
  })

  test('is written so that it runs in a clone, outside the reference and the log of changes', () => {
    const guides = guideNames.filter((name) => !['command-line', 'changelog'].includes(name))
    const bare =
      /(?<!npx |exec |--rm |chatkit-mint )chatkit-mint (?:jwt|keys|token|doctor|threads|sessions|audit|blocks|users)\b(?! \w+ \w+ chatkit)/
    for (const guide of guides)
      expect({ guide, bare: bare.exec(guideText(guide)) }).toEqual({ guide, bare: null })
    expect(guideText('command-line')).toContain('In a clone, in its folder: `npx chatkit-mint …`')
  })

  test('this test finds a command and an option that are none', async () => {
    expect((await helpOf(['users', 'invoke'])).text).not.toContain('chatkit-mint users invoke')
    expect((await helpOf(['users', 'revoke'])).text).not.toContain(' --blocks ')
  })
})

test('the Content-Security-Policy is one, with https hosts alone', () => {
  const directives = sampleOf('content-security-policy', 'text').split(';')
  const parsed = directives.map((one) => one.trim().split(/\s+/))
  expect(parsed.map(([name]) => name)).toEqual([
    'script-src',
    'frame-src',
    'connect-src',
    'img-src',
  ])
  for (const [, ...sources] of parsed) {
    expect(sources.length).toBeGreaterThan(0)
    for (const source of sources) {
      expect(source).toMatch(/^(?:'self'|https:(?:\/\/[a-z.-]+)?|data:|blob:)$/)
    }
  }
})

test('no guide shows anything that looks like a real secret', () => {
  for (const name of guideNames) {
    expect(guideText(name)).not.toMatch(/\b(?:sk-(?!replace-me)|ek_[A-Za-z0-9]{8}|eyJ[\w-]{8})/)
  }
})
