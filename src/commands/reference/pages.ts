// The pages in src/docs that are made from the code, by the name of their file.

import { clientPage } from './client.ts'
import { commandLinePage } from './command-line.ts'
import { configurationPage } from './configuration.ts'
import { environmentPage } from './environment.ts'
import { errorsPage } from './errors.ts'
import { logFieldsPage } from './log-fields.ts'
import { metricsPage } from './metrics.ts'

/** Each function gives its page as Markdown. */
export const REFERENCE_PAGES: Readonly<Record<string, () => string | Promise<string>>> = {
  configuration: configurationPage,
  environment: environmentPage,
  'command-line': commandLinePage,
  client: clientPage,
  metrics: metricsPage,
  'log-fields': logFieldsPage,
  errors: errorsPage,
}
