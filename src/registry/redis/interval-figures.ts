// Adds up and reads the figures of all instances by interval, in Redis.

import { z } from 'zod'
import {
  INTERVALS,
  intervalFields,
  intervalFieldsOf,
  KEPT_SECONDS,
  toIntervalFigures,
} from '../interval-figures.ts'
import type { Registry } from '../port.ts'
import { script } from './keys.ts'
import type { Link } from './link/link.ts'
import { row } from './replies.ts'

const [MINUTE] = INTERVALS

const FIGURES = `
local function figures_of(length, at)
  return key('figures', string.format('%.0f\\n%.0f', length, at))
end
`

/**
 * ARGV: field of the instance, beginning of its minute, how many of what follows are set rather than added,
 * then names and values in turn. The minute has the instance's field once it is added.
 */
const ADD = script(
  FIGURES,
  `
local by, at, set = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
if redis.call('HGET', figures_of(${MINUTE}, at), by) then return end
for length, kept in pairs({ ${INTERVALS.map((length) => `[${length}] = ${KEPT_SECONDS[length]}`)} }) do
  local figures = figures_of(length, at - at % length)
  for field = 4, #ARGV, 2 do
    redis.call(field < 4 + 2 * set and 'HSET' or 'HINCRBY', figures, ARGV[field], ARGV[field + 1])
  end
  redis.call('EXPIRE', figures, kept)
end`,
)

/** ARGV: length of the intervals, beginning of the first, end of the last → beginnings, each with its fields. */
const READ = script(
  FIGURES,
  `
local length, found = tonumber(ARGV[1]), {}
for at = tonumber(ARGV[2]), tonumber(ARGV[3]) - 1, length do
  local fields = redis.call('HGETALL', figures_of(length, at))
  if #fields > 0 then found[#found + 1] = { at, fields } end
end
return found`,
)

const intervals = z.array(
  z
    .tuple([z.number(), row])
    .transform(([at, fields]) => toIntervalFigures(at, intervalFields.parse(fields))),
)

export function createIntervalFigures(link: Link) {
  return {
    addFigures: ({ instance, at, ...counted }) => {
      const { set, added } = intervalFieldsOf(instance, counted)
      const fields = [set, added].flatMap((some) => Object.entries(some).flat())
      return link.run(
        ADD,
        [`by ${instance}`, at, Object.keys(set).length, ...fields],
        () => undefined,
      )
    },
    readFigures: ({ seconds, from, until }) =>
      link.run(READ, [seconds, from, until], (reply) => intervals.parse(reply)),
  } satisfies Partial<Registry>
}
