// Shows the last hour of this process as charts and tables.

import { html } from 'hono/html'
import { type FiguresSample, RANGES } from '../../http/telemetry/figures.ts'
import type { View } from '../access.ts'
import type { PageParts } from '../page-answers.ts'
import { panel, table } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'

/** Rows of the table for browsers without scripts. */
const MINUTES = 15
const PER_MINUTE = 60 / RANGES.hour.seconds

const CHARTS = [
  ['mints', 'Sessions minted'],
  ['refused', 'Mints refused'],
  ['latency', 'ChatKit API'],
  ['active', 'Live sessions'],
] as const

/** `GET /admin/figures`: the last hour of this process, with charts where scripts run. */
export function figuresPage({ answers, figures, addresses }: PageParts): View {
  return async (c, signIn) => {
    const samples = figures.samples()
    const charts = CHARTS.map(
      ([id, title]) =>
        html`<figure class="chart" data-chart="${id}"><figcaption>${title}</figcaption></figure>`,
    )
    const content = html`<p class="fine">This instance, at most the last hour. Prometheus has the figures of all instances.</p>
<div class="charts" id="charts" data-source="${addresses.root}/figures.json" hidden>${charts}</div>
${panel({ id: 'minutes', title: 'By the minute', content: minuteTable(samples) })}
${panel({ id: 'refusals', title: 'Refusals by code', content: refusalTable(countsOf(samples).codes) })}`
    return answers.page(c, { title: 'Figures', signIn, section: 'figures', charts: true }, content)
  }
}

/** `GET /admin/figures.json`: the data of the charts. */
export function figuresData({ figures }: PageParts): View {
  return async (c) => c.json({ seconds: RANGES.hour.seconds, samples: figures.samples() })
}

function minuteTable(samples: readonly FiguresSample[]): Html {
  const rows: (readonly string[])[] = []
  for (let end = samples.length; end > 0 && rows.length < MINUTES; end -= PER_MINUTE) {
    const minute = samples.slice(Math.max(0, end - PER_MINUTE), end)
    const last = minute.at(-1)
    const p95 = minute.flatMap(({ upstreamP95 }) => upstreamP95 ?? [])
    rows.push([
      new Date((last?.at ?? 0) * 1000).toISOString().slice(11, 19),
      String(sum(minute.map(({ mints }) => mints))),
      String(sum(minute.map(refused))),
      p95.length === 0 ? '–' : `${Math.max(...p95)} ms`,
      String(last?.activeSessions ?? '–'),
    ])
  }
  return table({
    caption: 'Figures by the minute, newest first',
    columns: ['Until', 'Minted', 'Refused', 'ChatKit API p95, worst', 'Live sessions'],
    rows,
    empty: 'The first figures come some seconds after the start. Load the page again then.',
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

/** A row for each code of {@link countsOf}. */
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
