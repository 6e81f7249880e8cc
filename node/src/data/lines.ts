/** The lines of a file with one record each, by number, in bounded memory: JSON lines, and bulk files of FHIR. */
import { bytesOf, unreadable } from './encoding.js'

/** One record. */
export const MAX_LINE_BYTES = 16 << 20
const NEWLINE = 10

/** A line without its break, and its number, from one. */
export type NumberedLine = readonly [number, Buffer]

/**
 * Every line of a file, many at a time; unpacked if its name ends in `.gz`. Throws `csv-unreadable`, and what `tooLong` gives
 * for a line of more than `MAX_LINE_BYTES`.
 */
export async function* linesOf(
  file: string,
  tooLong: (line: number) => Error,
): AsyncGenerator<readonly NumberedLine[]> {
  let line = 0
  let rest: Buffer[] = []
  let restBytes = 0
  const finished = (part: Buffer): NumberedLine => {
    line++
    const whole = rest.length === 0 ? part : Buffer.concat([...rest, part])
    rest = []
    restBytes = 0
    return [line, whole]
  }
  const chunks = bytesOf(file)[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await chunks.next().catch((cause: unknown) => {
        throw unreadable(file, cause)
      })
      if (next.done === true) break
      const chunk = next.value
      const lines: NumberedLine[] = []
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        lines.push(finished(chunk.subarray(from, at)))
        from = at + 1
      }
      if (from < chunk.length) {
        rest.push(chunk.subarray(from))
        restBytes += chunk.length - from
        if (restBytes > MAX_LINE_BYTES) throw tooLong(line + 1)
      }
      yield lines
    }
    if (restBytes > 0) yield [finished(Buffer.alloc(0))]
  } finally {
    await chunks.return?.()
  }
}
