// `npm run write-docs`: writes the pages of src/docs that are made from the code. A test fails when they are
// out of date.

import { writeFileSync } from 'node:fs'
import { REFERENCE_PAGES } from './reference/pages.ts'

for (const [name, makePage] of Object.entries(REFERENCE_PAGES)) {
  writeFileSync(new URL(`../docs/${name}.md`, import.meta.url), await makePage())
}
