import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { scratchFolder } from '../../../support/scratch-folder.ts'
import { quickCli } from '../run-cli.ts'

const folder = scratchFolder()
let bash = ''
beforeAll(async () => {
  bash = (await quickCli(['completion', 'bash'])).out
  writeFileSync(join(folder, 'token.txt'), '')
  mkdirSync(join(folder, 'tokens'))
})

/** Skipped where the shell is missing; in CI that is a failure. */
function wanted(shell: string): boolean {
  return Boolean(process.env['CI']) || spawnSync(shell, ['-c', 'true']).status === 0
}

/** The completions that bash offers for a line whose last word is being typed. */
function complete(line: string): string[] {
  const words = line.split(' ')
  const quoted = words.map((word) => `'${word}'`).join(' ')
  const script = `${bash}
COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}
_chatkit_mint
printf '%s\\n' "\${COMPREPLY[@]}"`
  const { status, stdout, stderr } = spawnSync('bash', ['--norc', '-c', script], {
    cwd: folder,
    encoding: 'utf8',
  })
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  return stdout.split('\n').filter((word) => word !== '')
}

describe('bash', () => {
  test.each([
    ['chatkit-mint s', ['sessions']],
    ['chatkit-mint threads l', ['list', 'list-items']],
    ['chatkit-mint users ', ['find', 'revoke', 'unblock', 'export', 'erase', 'receipt', '--help']],
    ['chatkit-mint threads list --o', ['--order']],
    ['chatkit-mint threads list --order ', ['asc', 'desc']],
    ['chatkit-mint threads list --limit 3 --order d', ['desc']],
    ['chatkit-mint sessions list --status cancel', ['cancelling', 'cancelled']],
    ['chatkit-mint users erase bob --y', ['--yes']],
    ['chatkit-mint users export bob --output tok', ['token.txt', 'tokens']],
    ['chatkit-mint sessions list --token-file token.', ['token.txt']],
    ['chatkit-mint completion z', ['zsh']],
    // A value does not count as a command, and has no completions.
    ['chatkit-mint threads list --user threads --aft', ['--after']],
    ['chatkit-mint sessions create --user ', []],
    ['chatkit-mint --user threads sessions c', ['cancel', 'create']],
    ['chatkit-mint --json threads --limit 3 l', ['list', 'list-items']],
    ['chatkit-mint --order ', ['asc', 'desc']],
    ['chatkit-mint --v', ['--version']],
    ['chatkit-mint threads list --a', ['--after', '--all', '--api-key']],
    ['chatkit-mint audit list --m', ['--max-items']],
    ['chatkit-mint nonsense ', ['sessions', 'threads']],
  ])('%s', (line, expected) => {
    const offered = complete(line)
    if (line.endsWith('nonsense ')) expect(offered).toEqual(expect.arrayContaining(expected))
    else expect(offered.toSorted()).toEqual(expected.toSorted())
  })

  test('is registered for the command', () => {
    const script = `${bash}\ncomplete -p chatkit-mint`
    const { stdout } = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' })
    expect(stdout).toBe('complete -F _chatkit_mint chatkit-mint\n')
  })
})

test.each(['bash', 'zsh', 'fish'])(
  '%s: has every command and every option of the tree',
  async (shell) => {
    const { code, out } = await quickCli(['completion', shell])
    expect(code).toBe(0)
    for (const name of ['list-items', 'retrieve', 'unblock', 'generate', 'explain', 'doctor']) {
      expect(out).toContain(name)
    }
    for (const flag of ['session-id', 'chatkit-configuration', 'token-file', 'block-seconds']) {
      expect(out).toContain(flag)
    }
  },
)

const [ZSH, FISH] = ['zsh', 'fish']

test.runIf(wanted(ZSH))('zsh offers commands for the word as the help makes it', async () => {
  const { out } = await quickCli(['completion', 'zsh'])
  const help = (await quickCli(['completion', '--help'])).out
  const made = /bash, zsh: +(.+)/.exec(help)?.[1]
  writeFileSync(join(folder, 'script'), `${made}\n${out}`)
  // Completion runs only where keys are pressed, so a second zsh has a terminal of its own.
  const drive = `zmodload zsh/zpty; zpty inner 'zsh -fi'
zpty -w inner "autoload -Uz compinit && compinit -D -u; source ${folder}/script && echo re''ady"
zpty -r inner seen '*ready*'
zpty -n -w inner $'chatkit-mint --user threads sessions re\\t'
zpty -r inner seen '*retrieve*' && zpty -d inner`
  const { status, stderr } = spawnSync(ZSH, ['-f', '-c', drive], { timeout: 10_000 })
  expect({ status, stderr: String(stderr) }).toEqual({ status: 0, stderr: '' })
})

test.runIf(wanted(FISH))('fish offers commands, values and files', async () => {
  const { out } = await quickCli(['completion', 'fish'])
  const offered = (line: string) => {
    const script = `${out}\ncomplete -C'${line}'`
    const { stdout, stderr } = spawnSync(FISH, ['-c', script], { cwd: folder, encoding: 'utf8' })
    expect(stderr).toBe('')
    const lines = stdout.trim().split('\n')
    return lines.map((one) => one.split('\t')[0])
  }
  expect(offered('chatkit-mint threads list --order ')).toEqual(['asc', 'desc'])
  expect(offered('chatkit-mint --user threads sessions c')).toEqual(['cancel', 'create'])
  expect(offered('chatkit-mint users export bob --output tok')).toEqual(['token.txt', 'tokens/'])
})
