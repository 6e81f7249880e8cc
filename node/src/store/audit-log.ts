/**
 * The node's own record, and its ledger: one line of JSON per event, each carrying the hash of the one before it, appended and synced
 * before `append` resolves. Implements docs/spec/jobs.md, "The nodes' own record". The chain shows an edited, inserted
 * or missing line; it cannot show that the last lines were cut off, or that someone who owns the machine wrote it all
 * anew, unless the head was noted elsewhere.
 */
import { createReadStream } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type Hex, sha256Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { assert, FlameshError } from '@flamesh/protocol/errors.js'
import type { AuditEntry } from '@flamesh/protocol/peer.js'
import { z } from 'zod'
import { hasCode, makePrivateFolder, PRIVATE_FILE, syncFolder } from './files.js'

/** What the first line names as its predecessor. */
export const AUDIT_START: Hex = '0'.repeat(64)
/** At the start only the end of the file is read: the whole chain is `verifyAudit`'s business. */
const TAIL_BYTES = 1 << 20
/** One entry is a handful of short fields; a longer one would not fit the tail. */
const MAX_LINE_BYTES = 1 << 16
const NEWLINE = 0x0a

const lineSchema = z.strictObject({
  sequence: z.int().min(0),
  /** milliseconds since 1970 */
  time: z.int().min(0),
  event: z.string(),
  fields: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  previous: z.string(),
  hash: z.string(),
})
export type AuditLine = z.infer<typeof lineSchema>

/** The line as it stands in the file, without its newline: always the same text for the same content. */
function lineText({ sequence, time, event, fields, previous }: Omit<AuditLine, 'hash'>, hash?: Hex): string {
  return JSON.stringify({ sequence, time, event, fields, previous, hash })
}

function lineHash(line: Omit<AuditLine, 'hash'>): Hex {
  return sha256Hex(utf8ToBytes(`flamesh/audit/1\0${lineText(line)}`))
}

/**
 * The line in this text if it is whole, written in the one way it can be, and its own hash fits; otherwise undefined.
 */
function parseLine(text: string): AuditLine | undefined {
  try {
    const line = lineSchema.parse(JSON.parse(text))
    return lineText(line, line.hash) === text && lineHash(line) === line.hash ? line : undefined
  } catch {
    return undefined
  }
}

function follows(line: AuditLine, previous: AuditLine | undefined): boolean {
  return previous === undefined
    ? line.sequence === 0 && line.previous === AUDIT_START
    : line.sequence === previous.sequence + 1 && line.previous === previous.hash
}

function broken(file: string, lineNumber: number | undefined): FlameshError {
  const where = lineNumber === undefined ? 'near its end' : `at line ${lineNumber}`
  return new FlameshError('audit-broken', `${basename(file)} does not hold together ${where}`, {
    meta: { file, ...(lineNumber === undefined ? {} : { line: lineNumber }) },
    hint: 'keep the file as evidence, move it aside, and find out who changed it; a new log begins at the next start',
  })
}

export interface AuditVerification {
  readonly entries: number
  /** hash of the last entry: note it elsewhere to make cutting off the end visible */
  readonly head: Hex
  /** bytes after the last whole line: an append that a crash cut short, cleaned up at the next start */
  readonly tornBytes: number
}

/** Checks every line of the log, and hands it on. Throws `audit-broken` with the number of the first bad line in `meta.line`. */
export async function verifyAudit(file: string, onLine?: (line: AuditLine) => void): Promise<AuditVerification> {
  let rest: Buffer = Buffer.alloc(0)
  let last: AuditLine | undefined
  let lines = 0
  try {
    for await (const chunk of createReadStream(file)) {
      const bytes = Buffer.concat([rest, chunk as Buffer])
      let start = 0
      for (let end = bytes.indexOf(NEWLINE); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
        lines++
        const line = parseLine(bytes.toString('utf8', start, end))
        if (line === undefined || !follows(line, last)) throw broken(file, lines)
        last = line
        onLine?.(line)
        start = end + 1
      }
      rest = bytes.subarray(start)
      if (rest.length > MAX_LINE_BYTES) throw broken(file, lines + 1)
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
    throw new FlameshError('audit-missing', `there is no ${basename(file)} here`, {
      meta: { file },
      hint: 'name the node’s folder with --dir',
      cause: error,
    })
  }
  return { entries: lines, head: last?.hash ?? AUDIT_START, tornBytes: rest.length }
}

interface Tail {
  readonly last: AuditLine | undefined
  /** length of the file up to and including its last whole line */
  readonly length: number
  readonly tornBytes: number
}

/**
 * The end of the log, as a crash may have left it. A torn end is an unfinished line, or pages that never reached the
 * disk and read as zeros; nothing in it was ever acknowledged. Anything else that does not fit is not a crash.
 */
async function readTail(handle: FileHandle, file: string): Promise<Tail> {
  const { size } = await handle.stat()
  const from = Math.max(0, size - TAIL_BYTES)
  const bytes = Buffer.alloc(size - from)
  await handle.read(bytes, 0, bytes.length, from)
  let start = from === 0 ? 0 : bytes.indexOf(NEWLINE) + 1
  let last: AuditLine | undefined
  for (let end = bytes.indexOf(NEWLINE, start); end >= 0; end = bytes.indexOf(NEWLINE, start)) {
    const line = parseLine(bytes.toString('utf8', start, end))
    // the first line of a tail follows one that was not read
    const fits = line !== undefined && ((from > 0 && last === undefined) || follows(line, last))
    if (!fits) {
      if (bytes.indexOf(0, start) < 0) throw broken(file, undefined)
      break
    }
    last = line
    start = end + 1
  }
  if (from > 0 && last === undefined) throw broken(file, undefined)
  return { last, length: from + start, tornBytes: size - from - start }
}

interface Waiting {
  readonly text: string
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** The open log of a running daemon; owns the file handle. */
export class AuditLog {
  /** of all entries accepted, those still on their way to the disk included */
  #last: AuditLine | undefined
  #waiting: Waiting[] = []
  #writing: Promise<void> | undefined
  #failure: FlameshError | undefined

  private constructor(
    readonly file: string,
    private readonly handle: FileHandle,
    private readonly now: () => number,
    last: AuditLine | undefined,
  ) {
    this.#last = last
  }

  /**
   * Opens, or creates, the log. If a crash tore the last append, the log is cut back to its last whole line and says so
   * in an entry `audit-torn`. Throws `audit-broken` if the end of the file is damaged in any other way.
   */
  static async open(file: string, now: () => number = Date.now): Promise<AuditLog> {
    await makePrivateFolder(dirname(file))
    const handle = await open(file, 'a+', PRIVATE_FILE)
    try {
      await syncFolder(dirname(file))
      const tail = await readTail(handle, file)
      const log = new AuditLog(file, handle, now, tail.last)
      if (tail.tornBytes > 0) {
        await handle.truncate(tail.length)
        await log.append({ event: 'audit-torn', fields: { bytes: tail.tornBytes } })
      }
      return log
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Entries so far. */
  get entries(): number {
    return this.#last === undefined ? 0 : this.#last.sequence + 1
  }

  /** Hash of the last entry. */
  get head(): Hex {
    return this.#last?.hash ?? AUDIT_START
  }

  /**
   * Resolves when the entry is on disk; entries keep the order of the calls, and those that come while the disk is busy
   * share the next sync. Rejects with `audit-failed` if the disk refuses, then and for ever after: a log with a hole
   * would be worse than a node that stops.
   */
  async append({ event, fields }: AuditEntry): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const { entries: sequence, head: previous } = this
    const unhashed = { sequence, time: this.now(), event, fields: { ...fields }, previous }
    const line = { ...unhashed, hash: lineHash(unhashed) }
    const text = lineText(line, line.hash)
    assert(
      text.length <= MAX_LINE_BYTES / 4 && parseLine(text) !== undefined,
      `an audit entry ${event} cannot be written as one line`,
    )
    this.#last = line
    const done = new Promise<void>((resolve, reject) => this.#waiting.push({ text, resolve, reject }))
    this.#writing ??= this.#writeWaiting()
    await done
  }

  async #writeWaiting(): Promise<void> {
    // let the current turn finish: what it appends shares one sync
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        if (this.#failure !== undefined) throw this.#failure
        await this.handle.appendFile(batch.map(({ text }) => `${text}\n`).join(''))
        await this.handle.datasync()
        for (const one of batch) one.resolve()
      } catch (cause) {
        this.#failure ??= new FlameshError('audit-failed', `${basename(this.file)} cannot be written`, {
          meta: { file: this.file },
          hint: 'check the space and the rights on the disk, then restart the node',
          cause,
        })
        for (const one of batch) one.reject(this.#failure)
      }
    }
    this.#writing = undefined
  }

  /** Waits for what was appended before, then closes the file. */
  async close(): Promise<void> {
    await this.#writing
    await this.handle.close()
  }
}
