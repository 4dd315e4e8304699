// `npm run write-schema`: regenerates config/schema.json, which a test compares with the schema.

import { writeFileSync } from 'node:fs'
import { configJsonSchema } from '../config/file/schema.ts'

const target = new URL('../../config/schema.json', import.meta.url)
writeFileSync(target, `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
