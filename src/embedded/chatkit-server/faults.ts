// Faults of the sample ChatKit server: the schema of `PUT /_embedded/faults`.

import { z } from 'zod'
import { commonFaults, milliseconds } from '../kit/faults.ts'

/**
 * How the next requests misbehave. Everything is optional; an empty object is good behaviour again.
 * Besides the common ones:
 *
 * - `down`: the connection is cut without an answer
 * - `first_byte_ms`: headers and body are delayed, after the request has been carried out
 * - `frame_ms`: pause before each frame of a stream
 * - `close_after_frames`: a stream is cut after this number of frames, in the middle of the answer
 * - `preface`: text sent before the frames of a stream, unchanged
 * - `huge_frame_bytes`: a frame of this size (a progress update) before the frames of a stream
 * - `chunk_bytes`: a stream is sent in pieces of this size, which split characters and frames
 */
export const faults = commonFaults.extend({
  down: z.boolean().optional(),
  first_byte_ms: milliseconds.optional(),
  frame_ms: milliseconds.optional(),
  close_after_frames: z.int().min(0).optional(),
  preface: z.string().optional(),
  huge_frame_bytes: z.int().min(1).max(268_435_456).optional(),
  chunk_bytes: z.int().min(1).optional(),
})
export type ServerFaults = z.infer<typeof faults>
