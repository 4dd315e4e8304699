// Defines the command `doctor`.

import { Command } from 'commander'
import { configOption, examples } from '../arguments.ts'
import type { Io } from '../io.ts'
import { jsonOption } from '../output.ts'
import type { DoctorOptions } from './examine.ts'

/** The user for whom sessions are minted; no token maps to it by accident. */
const DOCTOR = 'chatkit-mint-doctor'

/** `doctor`: tries everything that the service depends on, and reports faults with advice. */
export function doctorCommand(io: Io): Command {
  return new Command('doctor')
    .description('Try config, store, issuers and each workflow, and say what is wrong')
    .addOption(configOption())
    .option('--workflow <name>', 'check only this workflow')
    .option('--user <user>', 'the ChatKit user to mint for', DOCTOR)
    .addOption(jsonOption())
    .addHelpText('after', examples('doctor', 'doctor --workflow helpdesk'))
    .action(async (flags: Omit<DoctorOptions, 'nobody'>) => {
      const { examine } = await import('./examine.ts')
      await examine(io, { ...flags, nobody: flags.user === DOCTOR })
    })
}
