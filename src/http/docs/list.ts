// Lists the guides, and all pages in the order in which the navigation shows them.

/** A guide, or another page, as the navigation names it. */
export interface Guide {
  /** Name of the page below `/docs/`, and of its file in `src/docs`, without `.md`. */
  readonly name: string
  readonly title: string
}

/** The guides, in the order in which readers need them. */
export const GUIDES: readonly { readonly heading: string; readonly guides: readonly Guide[] }[] = [
  {
    heading: 'In your app',
    guides: [
      { name: 'html', title: 'Plain HTML' },
      { name: 'react', title: 'React' },
      { name: 'nextjs', title: 'Next.js' },
      { name: 'vue', title: 'Vue' },
      { name: 'svelte', title: 'Svelte' },
      { name: 'web-view-page', title: 'Phones: the page' },
      { name: 'react-native', title: 'React Native' },
      { name: 'ios-swift', title: 'iOS (Swift)' },
      { name: 'android-kotlin', title: 'Android (Kotlin)' },
      { name: 'flutter', title: 'Flutter' },
    ],
  },
  {
    heading: 'Set up',
    guides: [
      { name: 'develop', title: 'Develop against your config' },
      { name: 'identity-providers', title: 'Identity providers' },
      { name: 'identity-providers-hosted', title: 'Providers for customers' },
      { name: 'identity-providers-company', title: 'Providers for colleagues' },
      { name: 'identity-providers-own', title: 'Sessions of your own' },
      { name: 'domain-allow-list', title: 'Domain allow-list' },
      { name: 'content-security-policy', title: 'Content-Security-Policy' },
      { name: 'move-to-self-hosted', title: 'Your own ChatKit server' },
      { name: 'backends', title: 'Your backend, with the SDK' },
    ],
  },
  {
    heading: 'Run',
    guides: [
      { name: 'deploy', title: 'Deploy' },
      { name: 'operate', title: 'Operate' },
      { name: 'performance', title: 'Performance' },
      { name: 'store', title: 'What the store holds' },
      { name: 'decisions', title: 'Decisions' },
      { name: 'changelog', title: 'Changelog' },
    ],
  },
  {
    heading: 'Reference',
    guides: [
      { name: 'configuration', title: 'Configuration' },
      { name: 'environment', title: 'Environment' },
      { name: 'command-line', title: 'Command line' },
      { name: 'client', title: 'Browser helper' },
      { name: 'metrics', title: 'Metrics' },
      { name: 'log-fields', title: 'Log fields' },
      { name: 'errors', title: 'Errors by code' },
    ],
  },
]

/** The start page; start.ts renders it. */
export const START: Guide = { name: '', title: 'Start' }

/** The API reference; reference.ts renders it from the routes. */
export const API: Guide = { name: 'api', title: 'API reference' }

/** All pages, by heading, as the navigation shows them. */
export const LISTS: typeof GUIDES = [
  { heading: 'Begin', guides: [START] },
  ...GUIDES.map(({ heading, guides }) => ({
    heading,
    guides: heading === 'Reference' ? [API, ...guides] : guides,
  })),
]

/** All pages in that order. */
export const IN_ORDER: readonly Guide[] = LISTS.flatMap(({ guides }) => guides)
