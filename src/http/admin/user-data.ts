// Admin endpoints for all data of one user: export and erase, both as NDJSON.

import type { Handler } from 'hono'
import type { Administer } from '../../administer/administer.ts'
import type { EraseLine } from '../../administer/erase.ts'
import type { Log } from '../../lib/log.ts'
import { adminRequest } from '../authentication.ts'
import { noFields, readJson } from '../body.ts'
import type { AppEnv } from '../context.ts'
import { answerExport, type ExportParts } from '../export-answer.ts'
import { streamLines } from '../ndjson.ts'
import { refuseQuery } from '../query.ts'
import { pathUser } from './users.ts'

/** `GET /v1/admin/users/{user}/export` */
export function exportUserData(parts: ExportParts): Handler<AppEnv> {
  return async (c) => {
    refuseQuery(c)
    return answerExport(c, parts, pathUser(c))
  }
}

/** `POST /v1/admin/users/{user}/erase`: progress, then a summary; goes on to its end when the client leaves. */
export function eraseUserData({
  administer,
  log,
}: {
  readonly administer: Pick<Administer, 'eraseUser'>
  readonly log: Log
}): Handler<AppEnv> {
  return async (c) => {
    await readJson(c, noFields)
    refuseQuery(c)
    const lines = await administer.eraseUser(adminRequest(c), pathUser(c))
    return streamLines(c, oneByOne(lines), {
      atOnce: true,
      onError: (error) => log.error({ err: error, request_id: c.var.requestId }, 'erase ended'),
    })
  }
}

async function* oneByOne(lines: AsyncIterable<EraseLine>) {
  for await (const line of lines) yield [line]
}
