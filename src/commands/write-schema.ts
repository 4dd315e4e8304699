// `npm run write-schema`: rewrites config/schema.json. A test fails when the file is out of date.

import { writeFileSync } from 'node:fs'
import { configJsonSchema } from '../config/file/schema.ts'

const target = new URL('../../config/schema.json', import.meta.url)
writeFileSync(target, `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
