/**
 * Where a fetched result lies: in <folder>/results/<job>/, or in a folder of the reader's choice, as result.json, receipt.json,
 * CSV and report.html; written before anything is printed. Implements docs/reference/results.md.
 */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { StateFolder } from '../config/state-folder.js'
import type { ResultDocument } from '../control/documents.js'
import { toJson } from '../control/json.js'
import { csvFiles } from '../report/csv.js'

export interface ResultFiles {
  readonly resultFile: string | undefined
  readonly receiptFile: string | undefined
  /** all that were written, in order */
  readonly files: readonly string[]
}

/** The folder for the files of a job. */
export function resultFolder(folder: StateFolder, job: string, out: string | undefined): string {
  return out === undefined ? join(folder.resultsDir, job) : resolve(out)
}

export async function writeResultFiles(dir: string, { result, receipt }: ResultDocument): Promise<ResultFiles> {
  const contents = new Map<string, string>()
  if (result !== null) contents.set('result.json', `${toJson(result, 2)}\n`)
  if (receipt !== null) contents.set('receipt.json', receipt)
  if (result !== null) for (const [name, text] of csvFiles(result)) contents.set(name, text)
  const files = new Map([...contents.keys()].map((name) => [name, join(dir, name)]))
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    for (const [name, file] of files) {
      await writeFile(`${file}.new`, contents.get(name) as string, { mode: 0o600 })
      await rename(`${file}.new`, file)
    }
  } catch (cause) {
    throw new FlameshError('file-unusable', `${dir} cannot be written to`, { cause, meta: { dir } })
  }
  return { resultFile: files.get('result.json'), receiptFile: files.get('receipt.json'), files: [...files.values()] }
}
