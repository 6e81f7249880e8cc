/**
 * The report of a run: reads a result folder and writes `report.html` beside its tables, one page with SVG charts that needs
 * nothing else. All but this file is pure: the same folder gives the same bytes (docs/adr/0018).
 */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { renderPage } from './page.js'
import { OPTIONAL_FILE, REQUIRED_FILES, type RunFiles, readRun } from './run.js'

/** Writes the page and answers its path. */
export async function writeReport(folder: string): Promise<string> {
  const required = await Promise.all(
    REQUIRED_FILES.map(async (file) => [
      file,
      await readFile(join(folder, file), 'utf8').catch(unreadable(folder, file)),
    ]),
  )
  const completion = await readFile(join(folder, OPTIONAL_FILE), 'utf8').catch((error: NodeJS.ErrnoException) =>
    error.code === 'ENOENT' ? undefined : unreadable(folder, OPTIONAL_FILE)(error),
  )
  const files = { ...Object.fromEntries(required), [OPTIONAL_FILE]: completion } as RunFiles
  const path = join(folder, 'report.html')
  await writeFile(path, renderPage(readRun(files)))
  return path
}

function unreadable(folder: string, file: string): (cause: unknown) => never {
  return (cause) => {
    throw new FlameshError('run-missing', `${join(folder, file)} cannot be read`, {
      hint: 'name the folder that `flamesh-sim run FILE --out DIR` has written',
      meta: { file },
      cause,
    })
  }
}
