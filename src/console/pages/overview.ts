// The first page: figures of the last minutes, each with a link to its list.

import { html } from 'hono/html'
import { adminRequest } from '../../http/authentication.ts'
import type { SeenInstance, UpstreamLane } from '../../http/telemetry/figures.ts'
import { unixSeconds } from '../../lib/clock.ts'
import type { View } from '../access.ts'
import type { PageParts } from '../page-answers.ts'
import { badge, code, panel, table, when } from '../view/fragments.ts'
import type { Html } from '../view/layout.ts'
import { countsOf, refusalTable } from './figures.ts'

/** Minutes that the figures cover. */
const MINUTES = 15

/** `GET /admin` */
export function overviewPage({ answers, administer, addresses, figures, now }: PageParts): View {
  return async (c, signIn) => {
    const found = await administer.readOverview(adminRequest(c))
    const seconds = unixSeconds(now)
    const since = seconds - MINUTES * 60
    const { samples, instances } = await figures.recent(MINUTES)
    const { mints, refused, codes } = countsOf(samples)
    const counted = `${MINUTES} min, ${instances.length === 1 ? 'one instance' : `${instances.length} instances`}`
    const { root } = addresses
    const minute = new Date((since - (since % 60)) * 1000).toISOString().slice(0, 16)
    const mintsPage = `${root}/audit?${new URLSearchParams({ action: 'mint', since: minute })}`
    const { blocks } = found
    const content = html`<ul class="tiles">
${tile({ href: `${root}/sessions`, name: 'Live sessions', figure: found.activeSessions, of: 'all instances' })}
${tile({ href: mintsPage, name: 'Minted', figure: mints, of: counted })}
${tile({ href: mintsPage, name: 'Refused', figure: refused, of: counted, tone: refused > 0 ? 'warn' : '' })}
${tile({ href: `${root}/blocks`, name: 'Blocked users', figure: blocks.count, more: blocks.more, of: 'all instances' })}
${tile({ href: `${root}/sessions?status=cancelling`, name: 'Waiting cancels', figure: found.outboxLength, of: 'not confirmed by OpenAI', tone: found.outboxLength > 0 ? 'warn' : '' })}
</ul>
<div class="actions">
${panel({ id: 'refusals', title: `Refused in ${MINUTES} minutes`, content: refusalTable(codes), aside: html`<a href="${root}/figures">All figures</a>` })}
${panel({ id: 'upstreams', title: 'ChatKit API', content: upstreamTable(figures.upstreams()) })}
</div>
${panel({ id: 'instances', title: 'Instances', content: instanceTable(instances, seconds) })}`
    return answers.page(c, { title: 'Overview', signIn, section: 'overview' }, content)
  }
}

interface Tile {
  /** Address of the list of the things counted. */
  readonly href: string
  readonly name: string
  readonly figure: number
  /** Whether there are more than were counted. */
  readonly more?: boolean
  /** The time or the part that the figure covers. */
  readonly of: string
  readonly tone?: string
}

function tile({ href, name, figure, more, of, tone }: Tile): Html {
  return html`<li class="${tone ?? ''}"><a href="${href}"><span>${name}</span>
<strong>${figure.toLocaleString('en')}${more ? '+' : ''}</strong> <small>${of}</small></a></li>`
}

function upstreamTable(lanes: readonly UpstreamLane[]): Html {
  const rows = lanes.map(({ key, breaker, open }) => [
    code(key),
    breaker,
    open ? badge('refuses calls', 'bad') : badge('takes calls', 'good'),
  ])
  return html`${table({
    caption: 'Calls of the ChatKit API by key, as this instance sees them',
    columns: ['Key', 'Calls', 'State'],
    rows,
    empty: 'No workflow is hosted by OpenAI.',
  })}<p class="fine">As this instance sees it. Calls are refused while most of them fail; a probe finds out when they work again.</p>`
}

function instanceTable(instances: readonly SeenInstance[], now: number): Html {
  const rows = instances.map(({ id, lastWrote, self }) => [
    code(id),
    self ? badge('this one', 'good') : badge('seen'),
    when(lastWrote, now),
  ])
  return html`${table({
    caption: 'Processes that wrote their figures lately',
    columns: ['Instance', 'Which', 'Last wrote'],
    rows,
    empty: '',
  })}<p class="fine">“Minted” and “Refused” count all instances of this list. Each writes its figures to the store once a minute; of the current minute, only those of this instance are counted. An instance that wrote nothing for ${MINUTES} minutes is left out. Each start of a process is a new instance.</p>`
}
