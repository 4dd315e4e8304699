// Shows the last hour or day of all instances as charts and tables.

import { html } from 'hono/html'
import { z } from 'zod'
import { type FiguresRange, type FiguresSample, RANGES } from '../../http/telemetry/figures.ts'
import type { View } from '../access.ts'
import type { PageParts } from '../page-answers.ts'
import { panel, table } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { queryOf } from '../view/paging.ts'

const figuresQuery = z.object({ range: z.enum(['hour', 'day']).default('hour') })

/** Label and heading of each range, the seconds that one row of its table covers, and the length of an interval. */
const ROWS = {
  hour: { label: '1 hour', title: 'By five minutes', seconds: 300, per: 'a minute' },
  day: { label: '24 hours', title: 'By the hour', seconds: 3600, per: 'five minutes' },
} as const

const CHARTS = [
  ['mints', 'Sessions minted, all instances'],
  ['refused', 'Mints refused, all instances'],
  ['latency', 'ChatKit API, all instances'],
  ['active', 'Live sessions, all instances'],
] as const

/** `GET /admin/figures?range=…`: the last hour or day of all instances, with charts where scripts run. */
export function figuresPage({ answers, figures, addresses }: PageParts): View {
  return async (c, signIn) => {
    const { range } = queryOf(c, figuresQuery)
    const samples = await figures.samples(range)
    const { root } = addresses
    const content = html`<nav class="ranges" aria-label="Range"><ul>${rangeLinks(root, range)}</ul></nav>
<p class="fine">Each figure counts all instances, in intervals of ${ROWS[range].per} that have ended. Each instance writes its own figures once a minute. If one instance could not write, its share is missing; if none could, there is a gap. p50 and p95 are estimates, because calls are counted in 12 classes from 5 ms to 8 s. Prometheus has the figures of each instance.</p>
<p id="stale" class="notice bad" role="status" hidden></p>
<div class="charts" id="charts" data-source="${root}/figures.json?range=${range}" hidden>${CHARTS.map(chart)}</div>
${panel({ id: 'rows', title: ROWS[range].title, content: figuresTable(samples, range) })}
${panel({ id: 'refusals', title: 'Refusals by code', content: refusalTable(countsOf(samples).codes) })}`
    return answers.page(c, { title: 'Figures', signIn, section: 'figures', charts: true }, content)
  }
}

/** `GET /admin/figures.json?range=…`: the data of the charts. */
export function figuresData({ figures }: PageParts): View {
  return async (c) => {
    const { range } = queryOf(c, figuresQuery)
    const { seconds, most } = RANGES[range]
    return c.json({ seconds, span: seconds * most, samples: await figures.samples(range) })
  }
}

function rangeLinks(root: string, range: FiguresRange): readonly Html[] {
  return (['hour', 'day'] as const).map((one) => {
    const current = one === range ? html` aria-current="page"` : ''
    return html`<li><a href="${root}/figures?range=${one}"${current}>${ROWS[one].label}</a></li>`
  })
}

/** A chart with a slider: the arrow keys move it, and the script draws its position as a line. */
function chart([id, title]: (typeof CHARTS)[number]): Html {
  return html`<figure class="chart" data-chart="${id}"><figcaption>${title}<span></span></figcaption>
<div class="plot"><input type="range" min="0" max="0" value="0" aria-label="${title}: time"><output hidden></output></div></figure>`
}

function figuresTable(samples: readonly FiguresSample[], range: FiguresRange): Html {
  const { title, seconds, per } = ROWS[range]
  const parts = Map.groupBy(samples, ({ at }) => Math.ceil(at / seconds))
  const rows = [...parts.values()].reverse().map((part) => {
    const last = part.at(-1)
    const p95 = part.flatMap(({ upstreamP95 }) => upstreamP95 ?? [])
    return [
      new Date((last?.at ?? 0) * 1000).toISOString().slice(11, 16),
      String(sum(part.map(({ mints }) => mints))),
      String(sum(part.map(refused))),
      p95.length === 0 ? '–' : `${Math.max(...p95)} ms`,
      String(last?.activeSessions ?? '–'),
      String(Math.max(...part.map(({ instances }) => instances))),
    ]
  })
  const latency = 'ChatKit API p95, highest'
  return table({
    caption: `${title}, newest first`,
    columns: ['Until (UTC)', 'Minted', 'Refused', latency, 'Live sessions', 'Instances'],
    rows,
    empty: `The first figures come after ${per}. Load the page again then.`,
  })
}

/** Mints and refusals of all samples together; the code of most refusals first. */
export function countsOf(samples: readonly FiguresSample[]) {
  const counts = new Map<string, number>()
  for (const { refusals } of samples) {
    for (const [code, count] of Object.entries(refusals)) {
      counts.set(code, (counts.get(code) ?? 0) + count)
    }
  }
  return {
    mints: sum(samples.map(({ mints }) => mints)),
    refused: sum(samples.map(refused)),
    codes: [...counts].sort(([, one], [, other]) => other - one),
  }
}

/** The table of refusals, with a row for each code. */
export function refusalTable(codes: ReturnType<typeof countsOf>['codes']): Html {
  return table({
    caption: 'Refused mints by code',
    columns: ['Code', 'Count'],
    rows: codes,
    empty: 'No mint was refused.',
  })
}

function refused({ refusals }: FiguresSample): number {
  return sum(Object.values(refusals))
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
