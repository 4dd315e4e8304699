import { describe, expect, test } from 'vitest'
import { startFiles } from '../gateway/file-server.ts'
import { forAllTests } from '../support/started.ts'
import { startBrowser, wantsChromium } from './chromium.ts'

const SECONDS = 3600
const RATE = 8000

/** Silence of 8 bits a sample, one channel, after the usual head of 44 bytes. */
function wavFile(): Buffer {
  const file = Buffer.alloc(44 + SECONDS * RATE, 128)
  const head = [file.length - 8, 0, 0, 16, 0x00010001, RATE, RATE, 0x00080001, 0, SECONDS * RATE]
  for (const [index, value] of head.entries()) file.writeUInt32LE(value, 4 + 4 * index)
  for (const [text, at] of [
    ['RIFF', 0],
    ['WAVEfmt ', 8],
    ['data', 36],
  ] as const)
    file.write(text, at)
  return file
}

describe.runIf(wantsChromium())('sound behind a link (needs Chromium)', () => {
  const browser = forAllTests(() => startBrowser())

  test('plays from where the listener moves to, without what lies before', async () => {
    const { serve, linkTo } = await startFiles()
    const file = wavFile()
    const begins: number[] = []
    serve((request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1])
      begins.push(from)
      const headers = {
        'content-type': 'audio/wav',
        'content-range': `bytes ${from}-${file.length - 1}/${file.length}`,
        'accept-ranges': 'bytes',
      }
      response.writeHead(206, headers).end(file.subarray(from))
    })
    const link = await linkTo('/a.wav')
    const { page, context, faults } = await browser.open()
    await page.setContent(`<audio muted src="${link}"></audio>`)
    const place = await page.evaluate(`(async () => {
      const sound = document.querySelector('audio')
      const once = (name) => new Promise((resolve) => sound.addEventListener(name, resolve, { once: true }))
      if (sound.readyState === 0) await once('loadedmetadata')
      sound.currentTime = 3500
      await once('seeked')
      await sound.play()
      while (sound.currentTime === 3500) await once('timeupdate')
      return sound.currentTime
    })()`)
    expect(place).toBeGreaterThan(3500)
    expect(begins[0]).toBe(0)
    expect(begins.at(-1)).toBeGreaterThan(3000 * RATE)
    expect(faults()).toEqual([])
    await context.close()
  })
})
