// Finds sections of the docs by their words, in an index made from the rendered pages.

/** A part of a page from one heading to the next. */
export interface Section {
  /** Name of the page; empty for the start page. */
  readonly page: string
  /** Title of the page. */
  readonly title: string
  readonly anchor: string
  readonly heading: string
  readonly text: string
}

/** A section that has every word of the query, or the most of them where no section has all. */
export interface FoundSection extends Section {
  /** The text around the first word of the query, about 160 characters at most. */
  readonly excerpt: string
}

/** Most characters of a query. */
export const MAX_QUERY = 100

/** Matches the id and the text of a heading, or of a call in the API reference. */
const HEADINGS =
  /<h[1-3] id="([^"]*)"[^>]*>(.*?)<\/h[1-3]>|<details id="([^"]*)" class="operation">\s*<summary>\s*<code>(.*?)<\/code>/gs

/** @param body - HTML of ours, without the frame of the page */
export function sectionsOf(page: Record<'name' | 'title' | 'body', string>): Section[] {
  const { name, title, body } = page
  const starts = Array.from(body.matchAll(HEADINGS))
  return starts.map((start, at) => {
    const [whole, id, heading, callId, call] = start
    const text = body.slice(start.index + whole.length, starts[at + 1]?.index)
    return {
      page: name,
      title,
      anchor: id ?? callId ?? '',
      heading: plainText(heading ?? call ?? ''),
      // Without the schemas and examples of the API, which would be most of the index.
      text: plainText(name === 'api' ? text.replaceAll(/<pre.*?<\/pre>/gs, '') : text),
    }
  })
}

function plainText(html: string): string {
  return html
    .replaceAll(/<\/?(?:span|code|wbr|b|em|strong|a)\b[^>]*>/g, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll(/&quot;|&#34;/g, '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/**
 * Makes the search. {@link findScript} sends its source to browsers, so that both find the same. It must therefore
 * use nothing from outside this function.
 */
export function createFind(sections: readonly Section[]): (query: string) => FoundSection[] {
  const lowered = sections.map((section) => ({
    section,
    heading: section.heading.toLowerCase(),
    title: section.title.toLowerCase(),
    text: section.text.toLowerCase(),
  }))
  return (query) => {
    const words =
      query
        .toLowerCase()
        .match(/[\p{L}\p{N}_]+/gu)
        ?.slice(0, 8) ?? []
    if (words.length === 0) return []
    const scored = lowered.map((one) => {
      const points = words.map(
        (word) =>
          (one.heading.includes(word) ? 8 : 0) +
          (one.title.includes(word) ? 4 : 0) +
          (one.text.includes(word) ? 1 : 0),
      )
      const hits = points.filter((each) => each > 0).length
      return { ...one, hits, score: points.reduce((sum, each) => sum + each) }
    })
    const most = Math.max(1, ...scored.map(({ hits }) => hits))
    const best = scored
      .filter(({ hits }) => hits === most)
      .toSorted((one, other) => other.score - one.score)
    return best.slice(0, 20).map(({ section, text }) => {
      const first = words.find((word) => text.includes(word)) ?? ''
      const from = Math.max(0, text.indexOf(first) - 40)
      const cut = section.text.slice(from, from + 160)
      const begun = from > 0 ? cut.replace(/^\S*\s/, '… ') : cut
      return { ...section, excerpt: cut.length < 160 ? begun : begun.replace(/\s\S*$/, ' …') }
    })
  }
}

/** A module for browsers that exports `find`, the search over these sections. */
export function findScript(sections: readonly Section[]): string {
  return `export const find = (${createFind})(${JSON.stringify(sections)})\n`
}
