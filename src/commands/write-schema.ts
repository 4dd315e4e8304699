import { writeFileSync } from 'node:fs'
import { configJsonSchema } from '../config/file/schema.ts'

// Regenerates config/schema.json, which editors read; a test compares the two.
const target = new URL('../../config/schema.json', import.meta.url)
writeFileSync(target, `${JSON.stringify(configJsonSchema(), null, 2)}\n`)
