import { z } from 'zod'

const MAX_LENGTH = 255

/** Control characters, characters that reorder text (UAX #9) and characters that show nothing. */
const INVISIBLE = /[\p{Cc}\p{Bidi_Control}\u180e\u200b-\u200d\u2060-\u2064\ufeff]/u

/**
 * An identifier that ends up in logs, on screens and as a key in a store: 1 to 255 UTF-16 units,
 * well-formed (a lone surrogate becomes U+FFFD in UTF-8, and two identifiers one), and nothing in
 * it that makes it look like another.
 */
export const identifierSchema = z
  .string()
  .min(1)
  // Not .max(): zod counts code points, the contract UTF-16 units.
  .refine((text) => text.length <= MAX_LENGTH, 'longer than 255 UTF-16 units')
  .refine((text) => text.isWellFormed(), 'holds a lone surrogate')
  .refine((text) => !INVISIBLE.test(text), 'holds a control or invisible character')
