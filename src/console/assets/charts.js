// Draws the figures as they come. Without this script the page's tables say the same.

const SVG = 'http://www.w3.org/2000/svg'
const WIDTH = 360
const HEIGHT = 100
const AGAIN_MS = 10_000

/** Series of each chart, and how their latest values read. */
const CHARTS = {
  mints: { lines: [(one) => one.mints], says: ([now]) => `${now} in 10 s` },
  refused: {
    lines: [(one) => sum(Object.values(one.refusals))],
    says: ([now]) => `${now} in 10 s`,
  },
  latency: {
    lines: [(one) => one.upstreamP50, (one) => one.upstreamP95],
    says: ([half, most]) => `p50 ${half}, p95 (dashed) ${most} ms`,
  },
  active: { lines: [(one) => one.activeSessions], says: ([now]) => `${now} now` },
}

const charts = document.getElementById('charts')
if (charts !== null) void keepDrawing(charts)

async function keepDrawing(element) {
  try {
    const response = await fetch(element.dataset.source, {
      headers: { accept: 'application/json' },
    })
    // The sign-in has ended: what is drawn stays, and is not asked for again.
    if (response.status === 401) return
    if (response.ok) draw(element, await response.json())
  } catch {
    // The service is away for a moment; the next round may find it.
  }
  setTimeout(() => void keepDrawing(element), AGAIN_MS)
}

function draw(element, { samples }) {
  if (samples.length === 0) return
  element.hidden = false
  for (const figure of element.querySelectorAll('[data-chart]')) {
    const { lines, says } = CHARTS[figure.dataset.chart]
    const series = lines.map((line) => samples.map(line))
    const top = Math.max(1, ...series.flat().filter((value) => value !== null))
    const latest = series.map((values) => values.findLast((value) => value !== null) ?? '–')
    const summary = `${says(latest)} · most ${top}`
    const caption = figure.querySelector('figcaption')
    caption.querySelector('span')?.remove()
    const title = caption.textContent
    caption.append(Object.assign(document.createElement('span'), { textContent: summary }))
    figure.querySelector('svg')?.remove()
    figure.append(picture(`${title}: ${summary}`, series, top))
  }
}

function picture(label, series, top) {
  const svg = make('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none' })
  svg.setAttribute('role', 'img')
  svg.setAttribute('aria-label', label)
  svg.append(make('line', { class: 'base', x1: 0, x2: WIDTH, y1: HEIGHT - 1, y2: HEIGHT - 1 }))
  for (const [at, values] of series.entries()) {
    const points = values.flatMap((value, index) =>
      value === null ? [] : [`${xOf(index, values.length)},${yOf(value, top)}`],
    )
    if (points.length === 0) continue
    const last = points.at(-1).split(',')[0]
    const first = points[0].split(',')[0]
    if (at === 0) {
      const area = `${first},${HEIGHT} ${points.join(' ')} ${last},${HEIGHT}`
      svg.append(make('polygon', { class: 'area', points: area }))
    }
    svg.append(
      make('polyline', { class: at === 0 ? 'stroke' : 'stroke second', points: points.join(' ') }),
    )
  }
  return svg
}

function xOf(index, count) {
  return count < 2 ? 0 : Math.round((index / (count - 1)) * WIDTH * 10) / 10
}

function yOf(value, top) {
  return Math.round((HEIGHT - 2 - (value / top) * (HEIGHT - 8)) * 10) / 10
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
  return element
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0)
}
