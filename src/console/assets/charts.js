// Draws the charts of the figures page and keeps them up to date. Without this script, the page's tables show
// the same figures.

const SVG = 'http://www.w3.org/2000/svg'
const HEIGHT = 168
// The left margin fits a label such as `1.5k ms`, the right one half of the last time.
const EDGE = { left: 58, right: 20, top: 10, bottom: 22 }
const AGAIN_MS = 10_000

/** The series of each chart, and the text for their values. */
const CHARTS = {
  mints: { lines: [(one) => one.mints], says: ([value], per) => `${value} in ${per}` },
  refused: {
    lines: [(one) => sum(Object.values(one.refusals))],
    says: ([value], per) => `${value} in ${per}`,
  },
  latency: {
    lines: [(one) => one.upstreamP50, (one) => one.upstreamP95],
    says: ([half, most]) => `p50 ${half}, p95 (dashed) ${most} ms`,
    unit: ' ms',
  },
  active: { lines: [(one) => one.activeSessions], says: ([value]) => `${value} live` },
}

const charts = document.getElementById('charts')
let latest
if (charts !== null) {
  void keepDrawing(charts)
  addEventListener('resize', () => latest && draw(charts, latest))
}

/** Charts that stand still must not look like the present. */
function sayStale(text) {
  const note = document.getElementById('stale')
  note.textContent = text
  note.hidden = text === ''
}

async function keepDrawing(element) {
  let stale = 'The service does not answer. The charts stand still until it does.'
  try {
    const response = await fetch(element.dataset.source, {
      headers: { accept: 'application/json' },
    })
    if (response.status === 401) {
      sayStale('Your sign-in has ended, so the charts stand still. Load this page again.')
      return
    }
    if (response.ok) {
      latest = await response.json()
      draw(element, latest)
      stale = ''
    }
  } catch {
    // The service is not reachable; the next round tries again.
  }
  sayStale(stale)
  setTimeout(() => void keepDrawing(element), AGAIN_MS)
}

function draw(element, data) {
  if (data.samples.length === 0) return
  element.hidden = false
  for (const figure of element.querySelectorAll('[data-chart]')) drawOne(figure, data)
}

function drawOne(figure, { samples, seconds, span }) {
  const { lines, says, unit = '' } = CHARTS[figure.dataset.chart]
  const per = seconds < 60 ? `${seconds} s` : `${seconds / 60} min`
  const times = samples.map(({ at }) => at)
  const series = lines.map((line) => samples.map(line))
  const most = Math.max(0, ...series.flat().filter((value) => value !== null))
  const last = series.map((values) => values.findLast((value) => value !== null) ?? '–')
  const caption = figure.querySelector('figcaption')
  caption.querySelector('span').textContent = `${says(last, per)} · most ${most}${unit}`
  const frame = figure.querySelector('.plot')
  const plot = plotOf({ times, span, most, unit, width: frame.clientWidth })
  const name = `${caption.firstChild.textContent}: ${caption.lastChild.textContent}`
  const svg = picture(name, { plot, series, times, seconds })
  figure.querySelector('svg')?.remove()
  frame.prepend(svg)
  const textAt = (at) => {
    const values = series.map((one) => one[at] ?? '–')
    const isGap = values.every((value) => value === '–')
    return `${clock(times[at], true)} UTC: ${isGap ? 'no figure' : says(values, per)}`
  }
  offerValues(figure, { svg, plot, series, times, textAt })
}

/** The scales of a chart; times are Unix seconds. */
function plotOf({ times, span, most, unit, width }) {
  const end = times.at(-1)
  const inner = { width: width - EDGE.left - EDGE.right, height: HEIGHT - EDGE.top - EDGE.bottom }
  const step = stepOf(most)
  const top = Math.max(step, Math.ceil(most / step) * step)
  const x = (at) => round(EDGE.left + (1 - (end - at) / span) * inner.width)
  const y = (value) => round(EDGE.top + (1 - value / top) * inner.height)
  const floor = y(0)

  function axes() {
    const parts = []
    for (let value = 0; value <= top; value += step) {
      parts.push(
        make('line', {
          class: 'grid',
          x1: EDGE.left,
          x2: width - EDGE.right,
          y1: y(value),
          y2: y(value),
        }),
      )
      parts.push(
        label(`${short(value)}${unit}`, {
          x: EDGE.left - 8,
          y: y(value) + 4,
          'text-anchor': 'end',
        }),
      )
    }
    const apart = span / 4
    for (let at = Math.ceil((end - span) / apart) * apart; at <= end; at += apart) {
      parts.push(make('line', { class: 'tick', x1: x(at), x2: x(at), y1: floor, y2: floor + 4 }))
      parts.push(label(clock(at), { x: x(at), y: HEIGHT - 4, 'text-anchor': 'middle' }))
    }
    return parts
  }

  return { x, y, floor, width, axes }
}

function picture(name, { plot, series, times, seconds }) {
  const { x, y, floor, width } = plot
  const svg = make('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': name })
  svg.append(...plot.axes())
  for (const [at, values] of series.entries()) {
    for (const piece of pieces(times, values, seconds)) {
      const points = piece.map(([time, value]) => `${x(time)} ${y(value)}`)
      const path = `M${points.join('L')}`
      const area = `${path}L${x(piece.at(-1)[0])} ${floor}L${x(piece[0][0])} ${floor}Z`
      if (at === 0) svg.append(make('path', { class: 'area', d: area }))
      // A piece of one point is drawn as a dot, because lines have round ends.
      const kind = at === 0 ? 'stroke' : 'stroke second'
      svg.append(make('path', { class: kind, d: `${path}L${points.at(-1)}` }))
    }
  }
  return svg
}

/** Splits values into runs without a gap; no line is drawn across missing figures. */
function pieces(times, values, seconds) {
  const found = []
  let before
  for (const [index, value] of values.entries()) {
    if (value === null) continue
    const at = times[index]
    const follows = before === index - 1 && at - times[before] < seconds * 1.5
    if (!follows) found.push([])
    found.at(-1).push([at, value])
    before = index
  }
  return found
}

/** Shows the values at one time: under the pointer, or with the arrow keys. */
function offerValues(figure, { svg, plot, series, times, textAt }) {
  const range = figure.querySelector('input')
  const value = figure.querySelector('output')
  const atEnd = range.value === range.max
  range.max = String(times.length - 1)
  if (atEnd) range.value = range.max
  range.setAttribute('aria-valuetext', textAt(Number(range.value)))
  const mark = make('g', { class: 'mark' })
  svg.append(mark)

  function show(at) {
    const x = plot.x(times[at])
    const dots = series.flatMap((values) =>
      values[at] === null ? [] : [make('circle', { cx: x, cy: plot.y(values[at]), r: 3.5 })],
    )
    mark.replaceChildren(make('line', { x1: x, x2: x, y1: EDGE.top, y2: plot.floor }), ...dots)
    value.textContent = textAt(at)
    value.hidden = false
    value.classList.toggle('left', x > plot.width / 2)
    value.style.left = `${x}px`
  }
  function hide() {
    mark.replaceChildren()
    value.hidden = true
  }
  const showChosen = () => {
    const at = Number(range.value)
    range.setAttribute('aria-valuetext', textAt(at))
    show(at)
  }
  svg.onpointermove = ({ clientX }) => {
    const left = clientX - svg.getBoundingClientRect().left
    const distances = times.map((at) => Math.abs(plot.x(at) - left))
    show(distances.indexOf(Math.min(...distances)))
  }
  svg.onpointerleave = hide
  range.oninput = showChosen
  range.onfocus = showChosen
  range.onblur = hide
  if (document.activeElement === range) showChosen()
  else hide()
}

/** 1, 2 or 5 times a power of ten, for at most four steps; whole, as all figures are. */
function stepOf(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, most / 4)))
  return [1, 2, 5, 10].map((times) => times * power).find((step) => step * 4 >= most)
}

function short(value) {
  return value >= 1000 ? `${value / 1000}k` : String(value)
}

function clock(at, withSeconds) {
  return new Date(at * 1000).toISOString().slice(11, withSeconds ? 19 : 16)
}

function label(text, attributes) {
  const element = make('text', attributes)
  element.textContent = text
  return element
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value))
  return element
}

function round(value) {
  return Math.round(value * 10) / 10
}

function sum(values) {
  return values.reduce((total, value) => total + value, 0)
}
