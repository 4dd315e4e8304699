import { z } from 'zod'

/**
 * How the next requests misbehave. Everything is optional; an empty object is good behaviour again.
 *
 * - `down`: the connection is cut without an answer
 * - `status`, `body`: this answer instead of the real one. A string is sent as it stands (HTML when it
 *   begins with `<`), any other value as JSON
 * - `hang`: nothing is answered
 * - `first_byte_ms`: the answer, its headers too, is held back; what was asked for is done by then
 * - `frame_ms`: pause before each frame of a stream
 * - `close_after_frames`: a stream is cut after so many frames, in the middle of the answer
 * - `preface`: text in front of a stream's own frames, as it stands
 * - `huge_frame_bytes`: a frame of so many bytes (a progress update) in front of a stream's own
 * - `chunk_bytes`: a stream goes out in pieces of so many bytes, wherever characters and frames end
 * - `times`: how many requests; until changed when absent
 */
export const faults = z.strictObject({
  down: z.boolean().optional(),
  status: z.int().min(200).max(599).optional(),
  body: z.json().optional(),
  hang: z.boolean().optional(),
  first_byte_ms: z.int().min(0).max(600_000).optional(),
  frame_ms: z.int().min(0).max(600_000).optional(),
  close_after_frames: z.int().min(0).optional(),
  preface: z.string().optional(),
  huge_frame_bytes: z.int().min(1).max(268_435_456).optional(),
  chunk_bytes: z.int().min(1).optional(),
  times: z.int().min(1).optional(),
})
/** {@link faults} */
export type ServerFaults = z.infer<typeof faults>
