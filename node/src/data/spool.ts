/**
 * A private folder of one command, and in it the rows of a source, copied once so that they can be read more often: to infer a
 * schema, to derive columns, and to keep what was confirmed. Nothing in it is encrypted. It is deleted when the command ends,
 * also by a signal; what a crash leaves is deleted by the next command or start of the daemon.
 */
import { randomBytes } from 'node:crypto'
import { rmSync } from 'node:fs'
import { type FileHandle, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { hasCode, makePrivateFolder, PRIVATE_FILE } from '../store/files.js'
import { type CsvFile, checkedHeader, MAX_RECORD_LENGTH, openCsv } from './csv.js'
import { type Declaration, declaredColumn } from './declaration.js'
import type { SourceTable } from './source.js'
import type { Table } from './table.js'

/** Written at once. */
const PIECE_LENGTH = 1 << 18
const DAY_WITH_TIME = /^\d{4}-\d{2}-\d{2}[T ]/
/** What ends a command from outside, and the exit code that shells know it by. */
const ENDING = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}

/** Deletes what commands left that are no more. */
export async function sweepScratch(root: string): Promise<void> {
  const entries = await readdir(root).catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return []
    throw error
  })
  for (const entry of entries) {
    const pid = Number(entry.split('-')[0])
    if (Number.isSafeInteger(pid) && pid > 0 && isRunning(pid)) continue
    await rm(join(root, entry), { recursive: true, force: true })
  }
}

/** Work with a folder that only its owner can enter, which is gone when the work is done or the process ends. */
export async function withScratch<T>(root: string, work: (folder: string) => Promise<T>): Promise<T> {
  await makePrivateFolder(root)
  await sweepScratch(root)
  const folder = join(root, `${process.pid}-${randomBytes(6).toString('hex')}`)
  await makePrivateFolder(folder)
  const drop = (): void => rmSync(folder, { recursive: true, force: true })
  const handlers = Object.entries(ENDING).map(([name, code]) => [name, () => process.exit(code)] as const)
  process.on('exit', drop)
  for (const [name, handler] of handlers) process.on(name, handler)
  try {
    return await work(folder)
  } finally {
    for (const [name, handler] of handlers) process.removeListener(name, handler)
    process.removeListener('exit', drop)
    drop()
  }
}

const quoted = (cell: string): string => `"${cell.replaceAll('"', '""')}"`

/** Null is an empty field, in quotes where it would be the whole line. */
function lineOf(cells: readonly (string | null)[]): string {
  const fields = cells.map((cell) => (cell === null ? '' : /[",\r\n]/.test(cell) ? quoted(cell) : cell))
  const line = fields.join(',')
  return line.trim() === '' ? '""\n' : `${line}\n`
}

/**
 * Copies a source into a file in `folder`, and closes it. Throws what the source throws, `csv-header` where names are not as a
 * dataset's, and `source-row` where a row cannot be kept.
 */
export async function spool(
  folder: string,
  name: string,
  source: SourceTable,
  declaration: Declaration,
): Promise<Table> {
  const columns = source.columns.map((column) => ({ ...column, name: column.name.trim() }))
  const file = join(folder, `${randomBytes(6).toString('hex')}.csv`)
  try {
    checkedHeader(
      name,
      undefined,
      columns.map((column) => column.name),
    )
    const handle = await open(file, 'wx', PRIVATE_FILE)
    try {
      await copy(handle, { ...source, columns }, declaration)
    } finally {
      await handle.close()
    }
  } finally {
    await source.close()
  }
  return { name, unit: 'row', form: undefined, columns, open: () => openSpool(file) }
}

async function copy(handle: FileHandle, { columns, batches }: SourceTable, declaration: Declaration): Promise<void> {
  const days = columns.flatMap(({ name, type }, index) =>
    type === 'date' && declaredColumn(declaration, name).type === 'date' ? [index] : [],
  )
  const dayOnly = (cells: readonly (string | null)[]): readonly (string | null)[] => {
    const copied = [...cells]
    for (const index of days) {
      const cell = copied[index]
      if (cell != null && DAY_WITH_TIME.test(cell)) copied[index] = cell.slice(0, 10)
    }
    return copied
  }
  let piece = `${columns.map(({ name }) => quoted(name)).join(',')}\n`
  let row = 0
  for await (const batch of batches) {
    for (const cells of batch) {
      row++
      const line = lineOf(days.length === 0 ? cells : dayOnly(cells))
      if (line.length > MAX_RECORD_LENGTH) throw notKept(row, 'is longer than 1 MB')
      if (line.includes('\0')) throw notKept(row, 'has a zero character')
      piece += line
      if (piece.length < PIECE_LENGTH) continue
      await handle.appendFile(piece)
      piece = ''
    }
  }
  await handle.appendFile(piece)
}

const notKept = (row: number, why: string): FlameshError =>
  new FlameshError('source-row', `row ${row} ${why}`, {
    meta: { row },
    hint: 'leave columns of long texts out: a dataset keeps none',
  })

/** Records by the number of their row. */
async function openSpool(file: string): Promise<CsvFile> {
  const csv = await openCsv(file, { encoding: 'utf-8', separator: ',' })
  async function* batches(): CsvFile['batches'] & AsyncGenerator {
    let row = 0
    for await (const batch of csv.batches) yield batch.map(({ cells }) => ({ line: ++row, cells }))
  }
  return { ...csv, batches: batches() }
}
