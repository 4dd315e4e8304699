// The option that chooses a profile of `login`.

import { InvalidArgumentError, Option } from 'commander'
import { profileName } from '../../../config/cli-environment.ts'

/** `--profile`, the same for every command that has it. */
export function profileOption(): Option {
  return new Option(
    '--profile <name>',
    'use the service and the token of this profile; or CHATKIT_MINT_PROFILE',
  ).argParser((text) => {
    const { data, error } = profileName.safeParse(text)
    if (data !== undefined) return data
    throw new InvalidArgumentError(`It ${error?.issues[0]?.message}.`)
  })
}
