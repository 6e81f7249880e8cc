/**
 * Where a fetched result lies: in <folder>/results/<job>/, or in a folder of the reader's choice, as result.json, receipt.json,
 * CSV and report.html; written before anything is printed. Implements docs/reference/results.md.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Hex, sha256Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import type { StateFolder } from '../config/state-folder.js'
import type { JobDocument, ResultDocument } from '../control/documents.js'
import { toJson } from '../control/json.js'
import { csvFiles } from '../report/csv.js'
import { renderReport } from '../report/page.js'
import { VERSION } from '../version.js'

export interface ResultFiles {
  readonly resultFile: string | undefined
  readonly receiptFile: string | undefined
  readonly reportFile: string | undefined
  /** all that were written, in order */
  readonly files: readonly string[]
}

/** What the report tells besides the result. */
export interface Asked {
  readonly view: JobDocument
  readonly hubKey: Hex
  /** now (milliseconds since 1970) */
  readonly madeMs: number
}

/** The folder for the files of a job. */
export function resultFolder(folder: StateFolder, job: string, out: string | undefined): string {
  return out === undefined ? join(folder.resultsDir, job) : resolve(out)
}

/** The report comes last: whatever becomes of it, the numbers are there. Throws `file-unusable`. */
export async function writeResultFiles(dir: string, document: ResultDocument, asked: Asked): Promise<ResultFiles> {
  const { result, receipt } = document
  const contents: (readonly [string, () => string])[] = []
  if (result !== null) contents.push(['result.json', () => `${toJson(result, 2)}\n`])
  if (receipt !== null) contents.push(['receipt.json', () => receipt])
  if (result !== null) {
    for (const [name, text] of csvFiles(result)) contents.push([name, () => text])
    contents.push(['report.html', () => reportOf(result, document, asked)])
  }
  const files = new Map<string, string>()
  for (const [name, text] of contents) files.set(name, await write(dir, name, text()))
  return {
    resultFile: files.get('result.json'),
    receiptFile: files.get('receipt.json'),
    reportFile: files.get('report.html'),
    files: [...files.values()],
  }
}

async function write(dir: string, name: string, text: string): Promise<string> {
  const file = join(dir, name)
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    await writeFile(`${file}.new`, text, { mode: 0o600 })
    await rename(`${file}.new`, file)
  } catch (cause) {
    throw new FlameshError('file-unusable', `${file} cannot be written`, { cause, meta: { file } })
  }
  return file
}

/** The receipt is checked as `receipt verify` does, and the report says what came of it. */
function reportOf(result: object, { sites, receipt }: ResultDocument, { view, hubKey, madeMs }: Asked): string {
  const bytes = receipt === null ? undefined : utf8ToBytes(receipt)
  const checked = bytes && { sha256: sha256Hex(bytes), report: verifyReceipt(bytes, { hubKey, result }) }
  return renderReport({ ...result }, { view, sites, receipt: checked ?? null, version: VERSION, madeMs })
}
