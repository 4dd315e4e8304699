// Says what is probably a mistake in the environment, though the service can start with it.

import { getCACertificates } from 'node:tls'
import type { Environment } from './env.ts'
import { isPlaceholder } from './file/placeholders.ts'
import { publicUrlNotes } from './urls.ts'

/** One line for each, for the log of a start. */
export function environmentNotes(environment: Environment): string[] {
  const notes = [...publicUrlNotes(environment), ...authorityNotes(environment)]
  if (!isPlaceholder(environment.publicUrl ?? '')) return notes
  return [
    'PUBLIC_URL: is the placeholder acme.example; put the address of this service in its place',
    ...notes,
  ]
}

/** A line about certificate authorities that Node could not read: it only prints a warning, and starts without. */
export function authorityNotes({
  extraAuthorities: file,
}: Pick<Environment, 'extraAuthorities'>): string[] {
  if (file === undefined || getCACertificates('extra').length > 0) return []
  return [`NODE_EXTRA_CA_CERTS: no certificate could be read from ${file}; none of it counts`]
}
