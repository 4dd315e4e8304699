import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scratchFolder } from '../support/scratch-folder.ts'
import type { ServiceProcess } from '../support/service-process.ts'

/** A clock for another process, which the test can make jump. */
export interface JumpingClock {
  /** For node, before the entry point. */
  readonly nodeArguments: readonly string[]
  /** Resolves when the process has jumped. */
  jump(service: ServiceProcess, seconds: number): Promise<void>
  /** Milliseconds ahead of ours. */
  ahead(): number
}

export function createJumpingClock(): JumpingClock {
  const file = join(scratchFolder(), 'ahead')
  const code = `
import { readFileSync } from 'node:fs'
const now = Date.now
let ahead = 0
Date.now = () => now() + ahead
process.on('SIGUSR2', () => {
  ahead = Number(readFileSync(${JSON.stringify(file)}, 'utf8'))
  process.stderr.write('ahead by ' + ahead + '\\n')
})`
  let ahead = 0
  return {
    nodeArguments: ['--import', `data:text/javascript,${encodeURIComponent(code)}`],
    async jump(service, seconds) {
      ahead += seconds * 1000
      writeFileSync(file, String(ahead))
      service.child.kill('SIGUSR2')
      await service.until(() => service.stderr().includes(`ahead by ${ahead}\n`) || undefined)
    },
    ahead: () => ahead,
  }
}
