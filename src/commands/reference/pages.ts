// The pages of the reference that are made from the code, by the name of their file in src/docs.

import { configurationPage } from './configuration.ts'

/** Each gives its page as Markdown. */
export const REFERENCE_PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  configuration: configurationPage,
}
