// `npm run write-docs`: writes the pages of the reference that are made from the code. A test compares them with it.

import { writeFileSync } from 'node:fs'
import { REFERENCE_PAGES } from './reference/pages.ts'

for (const [name, makePage] of Object.entries(REFERENCE_PAGES)) {
  writeFileSync(new URL(`../docs/${name}.md`, import.meta.url), await makePage())
}
