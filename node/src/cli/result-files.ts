/** Where a fetched result lies: <folder>/results/<job>/result.json and receipt.json, written before anything is printed. */
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { StateFolder } from '../config/state-folder.js'
import type { ResultDocument } from '../control/documents.js'
import { toJson } from '../control/json.js'

export interface ResultFiles {
  readonly resultFile: string | undefined
  readonly receiptFile: string | undefined
}

export async function writeResultFiles(folder: StateFolder, document: ResultDocument): Promise<ResultFiles> {
  const dir = join(folder.resultsDir, document.job)
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const write = async (name: string, text: string | undefined): Promise<string | undefined> => {
    if (text === undefined) return undefined
    const file = join(dir, name)
    await writeFile(`${file}.new`, text, { mode: 0o600 })
    await rename(`${file}.new`, file)
    return file
  }
  return {
    resultFile: await write('result.json', document.result === null ? undefined : `${toJson(document.result, 2)}\n`),
    receiptFile: await write('receipt.json', document.receipt ?? undefined),
  }
}
