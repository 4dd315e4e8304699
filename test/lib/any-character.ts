import fc from 'fast-check'

const SURROGATES = { from: 0xd800, count: 0x800 }

/** Each character that text can have, as `unit` of a string: fast-check's own `binary` takes 1.8 s of CPU in each worker. */
export const anyCharacter: fc.Arbitrary<string> = fc
  .nat(0x10ffff - SURROGATES.count)
  .map((at) => String.fromCodePoint(at < SURROGATES.from ? at : at + SURROGATES.count))
