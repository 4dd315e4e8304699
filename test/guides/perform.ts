import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ROOT, type Sample, samples } from '../docs/samples.ts'

const COMMAND_MS = 180_000

/** Variables of a reader's shell. Those of the test's own process (`NODE_ENV`, npm's, vitest's) would change a build. */
const INHERITED =
  /^(?:HOME|NODE_EXTRA_CA_CERTS|(?:https?|no)_proxy|npm_config_(?:registry|cafile|cache|userconfig|globalconfig))$/i

const ENVIRONMENT: NodeJS.ProcessEnv = {
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => INHERITED.test(name))),
  PATH: `${join(ROOT, 'node_modules/.bin')}:${process.env['PATH']}`,
  NEXT_TELEMETRY_DISABLED: '1',
  npm_config_audit: 'false',
  npm_config_prefer_offline: 'true',
  npm_config_update_notifier: 'false',
}

/** Whether npm reaches the registry that it is set to. */
export async function reachesRegistry(): Promise<boolean> {
  const view = ['view', 'create-vite', 'name', '--fetch-retries=0', '--prefer-online']
  const asked = promisify(execFile)('npm', view, { env: ENVIRONMENT, timeout: 10_000 })
  return asked.then(
    () => true,
    () => false,
  )
}

/** The numbered sections' blocks of a guide, in their order. */
function stepsOf(guide: string): readonly Sample[] {
  const steps = samples().filter((sample) => sample.guide === guide && sample.isStep)
  if (steps.length === 0) throw new Error(`no steps in ${guide}`)
  return steps
}

/** The guide's lines for the service's config. */
export function configOf(guide: string): string {
  const found = stepsOf(guide).filter(({ language }) => language === 'yaml')
  if (found[0] === undefined || found.length > 1) throw new Error(`not one yaml in ${guide}`)
  return found[0].text
}

/**
 * Does what the guide says: runs each block in sh, and writes each block that is a file.
 *
 * @param edit - what a reader changes in a block: addresses
 * @returns the folder in which the last command left the shell
 */
export async function performSteps({
  guide,
  folder,
  edit,
}: {
  readonly guide: string
  readonly folder: string
  readonly edit: (text: string) => string
}): Promise<string> {
  const left = join(folder, 'left-in')
  let app = folder
  for (const { language, text, path } of stepsOf(guide)) {
    if (language === 'sh') {
      await inShell(`set -eu\n${edit(text)}\npwd > '${left}'`, app)
      app = readFileSync(left, 'utf8').trimEnd()
    } else if (language !== 'yaml') {
      if (path === undefined) throw new Error(`a block that names no file: ${text}`)
      mkdirSync(dirname(join(app, path)), { recursive: true })
      writeFileSync(join(app, path), edit(text))
    }
  }
  return app
}

/** Runs the linter that came with the app over the guide's files; fails with the linter's words. */
export async function lint(app: string): Promise<void> {
  const { scripts } = JSON.parse(readFileSync(join(app, 'package.json'), 'utf8'))
  if (!('lint' in scripts)) return
  await inShell('npm run lint -- --max-warnings=0', app)
}

/** @throws `Error` with all that the commands said */
export async function inShell(script: string, folder: string): Promise<void> {
  const options = { cwd: folder, env: ENVIRONMENT, timeout: COMMAND_MS }
  await promisify(execFile)('bash', ['-c', script], options).catch(({ stdout, stderr }) => {
    throw new Error(`${script}\n${stdout}\n${stderr}`)
  })
}

/**
 * A server of the app's own; resolves when it answers.
 *
 * @param command - with its arguments, in the app's folder
 */
export async function serve(
  [command = '', ...words]: readonly string[],
  { app, origin }: { readonly app: string; readonly origin: string },
) {
  const child = spawn(command, words, {
    cwd: app,
    env: { ...ENVIRONMENT, PATH: `${join(app, 'node_modules/.bin')}:${ENVIRONMENT['PATH']}` },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const gone = once(child, 'exit')
  const answers = async () => (await fetch(origin).catch(() => undefined)) !== undefined
  while (!(await answers())) {
    if (child.exitCode !== null) throw new Error(said)
    await setTimeout(50)
  }
  return {
    async close() {
      child.kill('SIGKILL')
      await gone
    },
  }
}
