/** Bulk files (NDJSON): one resource a line, read line by line. Errors name file and line, never what stands there. */
import { isUtf8 } from 'node:buffer'
import { readdir, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { linesOf, MAX_LINE_BYTES } from '../lines.js'
import type { Entry } from './collector.js'
import { isId } from './references.js'

const BOM = '\ufeff'
/** What nearly every exporter begins a line with; the type then needs no parsing. */
const START = /^\{\s*"resourceType"\s*:\s*"([A-Za-z]+)"/

/** The files of the given files and folders, in the order of their names. Throws `file-not-found` or `file-unusable`. */
export async function bulkFiles(paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = []
  for (const path of paths) {
    const entry = await stat(path).catch(() => undefined)
    if (entry === undefined)
      throw new FlameshError('file-not-found', `there is no file ${path}`, { meta: { file: path } })
    if (!entry.isDirectory()) found.push(path)
    else {
      const names = (await readdir(path)).filter((name) => /\.ndjson(\.gz)?$/.test(name)).sort()
      if (names.length === 0)
        throw new FlameshError('file-unusable', `${path} holds no file *.ndjson`, { meta: { file: path } })
      found.push(...names.map((name) => join(path, name)))
    }
  }
  return [...new Set(found)]
}

function lineError(file: string, line: number, message: string): FlameshError {
  return new FlameshError('fhir-data', `${basename(file)}, line ${line}: ${message}`, {
    meta: { file, line },
    hint: 'a bulk file holds one resource of FHIR on each line; was it cut off?',
  })
}

/** The resources of these types in one file. Throws `csv-unreadable`, and `fhir-data` with the line. */
export async function* readBulkFile(file: string, types: ReadonlySet<string>): AsyncGenerator<readonly Entry[]> {
  const tooLong = (line: number): FlameshError => lineError(file, line, `has more than ${MAX_LINE_BYTES} bytes`)
  for await (const lines of linesOf(file, tooLong)) {
    const entries: Entry[] = []
    for (const [line, bytes] of lines) {
      if (!isUtf8(bytes)) throw lineError(file, line, 'is not UTF-8')
      const given = bytes.toString('utf8')
      const text = line === 1 && given.startsWith(BOM) ? given.slice(1) : given
      if (text.trim() === '') continue
      const start = START.exec(text)
      // cut off, perhaps, and gone on with a resource that counts
      const closed = text.trimEnd().endsWith('}')
      if (start !== null && closed && !types.has(start[1] as string)) continue
      let resource: unknown
      try {
        resource = JSON.parse(text)
      } catch {
        throw lineError(file, line, 'is not JSON')
      }
      const { resourceType: type, id } = (resource ?? {}) as { resourceType?: unknown; id?: unknown }
      if (typeof type !== 'string') throw lineError(file, line, 'is no resource')
      if (!types.has(type)) continue
      if (!isId(id)) throw lineError(file, line, `is a ${type} without a valid id`)
      entries.push({ resource: resource as Entry['resource'] })
    }
    yield entries
  }
}
