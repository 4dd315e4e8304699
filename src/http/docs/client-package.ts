// Packs the browser helper as an npm package. The bytes depend only on the files and the version, because the lock
// files of apps hold a hash of them.

import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { LICENSE, VERSION } from '../../lib/version.ts'

/** File name under which browsers save it. */
export const PACKAGE_FILE = `chatkit-mint-client-${VERSION}.tgz`

/** 1985-10-26T08:15:00Z, the time that `npm pack` gives to every file. */
const MODIFIED_AT = 499_162_500

/** Longest stored block of deflate (RFC 1951 §3.2.4), in bytes. */
const LONGEST_BLOCK = 0xffff

/** @returns a gzipped tar archive */
export function packClient(files: { readonly script: string; readonly types: string }) {
  const contents = {
    'package.json': `${JSON.stringify(packageManifest(), null, 2)}\n`,
    'README.md': readFileSync(new URL('../../client/README.md', import.meta.url), 'utf8'),
    'client.js': files.script,
    'client.d.ts': files.types,
  }
  const entries = Object.entries(contents).map(([name, text]) => tarEntry(`package/${name}`, text))
  return gzip(Buffer.concat([...entries, Buffer.alloc(1024)]))
}

function packageManifest() {
  return {
    name: '@chatkit-mint/client',
    version: VERSION,
    description: 'Gives ChatKit in a page its client secrets, from a chatkit-mint service.',
    license: LICENSE,
    type: 'module',
    sideEffects: false,
    exports: {
      '.': { types: './client.d.ts', default: './client.js' },
      './package.json': './package.json',
    },
    // For what does not read `exports`: Parcel, Metro of React Native 0.78, `"moduleResolution": "node"`.
    main: './client.js',
    types: './client.d.ts',
  }
}

/** A file with its header, in the ustar format (POSIX.1-1988), filled up to whole blocks of 512 bytes. */
function tarEntry(path: string, text: string) {
  const content = Buffer.from(text)
  const blocks = Buffer.alloc(512 + Math.ceil(content.length / 512) * 512)
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, '0')}\0`
  blocks.write(path, 0)
  blocks.write(octal(0o644, 7) + octal(0, 7) + octal(0, 7), 100)
  blocks.write(octal(content.length, 11) + octal(MODIFIED_AT, 11), 124)
  // The checksum is computed with spaces in its own field.
  blocks.write(' '.repeat(8), 148)
  blocks.write('0', 156)
  blocks.write('ustar\x0000', 257)
  const sum = blocks.reduce((total, byte) => total + byte, 0)
  blocks.write(`${octal(sum, 6)} `, 148)
  content.copy(blocks, 512)
  return blocks
}

/**
 * Wraps the bytes (RFC 1952) without compressing them. Compressors differ between versions of Node and kinds of CPU,
 * so a lock file made with one instance would refuse the bytes of another.
 */
function gzip(bytes: Buffer) {
  if (bytes.length > LONGEST_BLOCK) throw new RangeError('the package needs a second block')
  // Method deflate, no flags, no time, unknown system. Then the only block: its length, and its inverted length.
  const head = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1, 0, 0, 0, 0])
  head.writeUInt16LE(bytes.length, 11)
  head.writeUInt16LE(bytes.length ^ 0xffff, 13)
  const tail = Buffer.alloc(8)
  tail.writeUInt32LE(crc32(bytes), 0)
  tail.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([head, bytes, tail])
}
