/**
 * What a command prints: its result on stdout (one JSON document with `--json`), everything else on stderr. Errors are two
 * lines on stderr, "error: …" and "hint: …"; with `--json` they are also the one document on stdout. Implements
 * docs/reference/cli.md, "Output".
 */
import { FlameshError } from '@flamesh/protocol/errors.js'
import { toJson } from '../control/json.js'
import { errorDocument } from '../control/router.js'

export interface Stream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
  write(text: string): unknown
}

export interface Output {
  readonly json: boolean
  readonly stdout: Stream
  readonly stderr: Stream
  /** the command's result: as a document, or as text for a person */
  result(document: unknown, text: () => string): void
  /** a line about what goes on */
  note(line: string): void
  error(error: unknown): void
}

export function createOutput(json: boolean, stdout: Stream, stderr: Stream): Output {
  return {
    json,
    stdout,
    stderr,
    result(document, text) {
      stdout.write(json ? `${toJson(document)}\n` : ensureNewline(text()))
    },
    note(line) {
      stderr.write(`${printable(line)}\n`)
    },
    error(error) {
      const document = errorDocument(error)
      if (json) stdout.write(`${toJson({ error: document })}\n`)
      stderr.write(`error: ${printable(document.message)}\n`)
      if (document.hint !== undefined) stderr.write(`hint: ${printable(document.hint)}\n`)
      if (!(error instanceof FlameshError) && error instanceof Error && process.env['FLAMESH_DEBUG']) {
        stderr.write(`${error.stack}\n`)
      }
    },
  }
}

function ensureNewline(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`
}

/** Names, purposes and reasons come from other people: none of them may move the cursor or hide a line. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
}
