/**
 * A table of one row a patient out of FHIR R4: a server's searches, or bulk files, mapped to columns. Implements
 * docs/reference/datasets.md, "FHIR". Reads everything before it hands out the first row: until then no value is known.
 */
import { assert, FlameshError } from '@flamesh/protocol/errors.js'
import { readText } from '../../config/read-file.js'
import { readSecret } from '../../config/secret-file.js'
import type { SourceTable } from '../source.js'
import { bounded } from './bounded.js'
import { Collector, type Entry } from './collector.js'
import { fetchExport } from './export.js'
import { type Access, type HttpGet, openHttp } from './http.js'
import { EVALUATED_AT_ONCE, MAX_CODE_QUERY_CHARS } from './limits.js'
import {
  compileMapping,
  type FhirServer,
  type FhirSource,
  type Mapping,
  RESOURCES,
  type ResourceType,
} from './mapping.js'
import { Medications } from './medications.js'
import { bulkFiles, readBulkFile } from './ndjson.js'
import { search } from './search.js'

const MAX_CA_BYTES = 1 << 20

/** Every resource of these types, once more for each call. */
type Read = (types: readonly string[]) => AsyncIterable<readonly Entry[]>

/** Of a header. Throws what `readSecret` throws. */
async function readWord(file: string): Promise<string> {
  const word = await readSecret(file)
  if (!/^[\x21-\x7e]+$/.test(word))
    throw new FlameshError('file-unusable', `${file} does not hold one word`, { meta: { file } })
  return word
}

async function accessOf({ tokenFile, user, passwordFile, ca }: FhirServer): Promise<Access> {
  const authorization =
    tokenFile !== undefined
      ? `Bearer ${await readWord(tokenFile)}`
      : user !== undefined && passwordFile !== undefined
        ? `Basic ${Buffer.from(`${user}:${await readSecret(passwordFile)}`).toString('base64')}`
        : undefined
  const authorities = ca === undefined ? {} : { ca: await readText(ca, MAX_CA_BYTES) }
  return { ...(authorization === undefined ? {} : { authorization }), ...authorities }
}

/** The codes of all columns of a type, if a search by them finds everything that counts. */
function codeQuery(source: FhirSource, type: ResourceType): string | undefined {
  if (!RESOURCES[type].searchable || source.fhir.search[type]?.['code'] !== undefined) return undefined
  const columns = Object.values(source.columns).filter(({ resource }) => resource === type)
  const codes = [...new Set(columns.flatMap(({ code }) => code ?? ['']))]
  const query = codes.join(',')
  const exact = codes.every((code) => code !== '' && !/[*,\\$]/.test(code))
  return exact && query.length <= MAX_CODE_QUERY_CHARS ? query : undefined
}

function firstPage(source: FhirSource, base: string, type: ResourceType | 'Medication'): URL {
  const url = new URL(`${base}/${type}`)
  url.searchParams.set('_count', String(source.fhir.pageSize))
  if (type === 'Medication') return url
  for (const [name, values] of Object.entries(source.fhir.search[type] ?? {}))
    for (const value of values) url.searchParams.append(name, value)
  const codes = codeQuery(source, type)
  if (codes !== undefined) url.searchParams.append('code', codes)
  return url
}

function serverRead(source: FhirSource, base: string, get: HttpGet, notes: string[]): Read {
  return async function* (types) {
    for (const type of types) {
      const { pages, notes: warnings } = search(get, type, firstPage(source, base, type as ResourceType))
      yield* pages
      notes.push(...warnings())
    }
  }
}

const filesRead = (files: readonly string[]): Read =>
  async function* (types) {
    const wanted = new Set(types)
    for (const file of files) yield* readBulkFile(file, wanted)
  }

async function exported(
  { fhir }: FhirSource,
  { types, medications }: Mapping,
  get: HttpGet,
  temporary: string | undefined,
  notes: string[],
): Promise<readonly string[]> {
  assert(temporary !== undefined, 'an export needs a folder')
  const base = fhir.base?.replace(/\/+$/, '') as string
  const asked = { level: fhir.export as string, types: medications ? [...types, 'Medication'] : types }
  return fetchExport(get, base, asked, temporary, notes)
}

async function collect(
  mapping: Mapping,
  read: Read,
  base: string | undefined,
  evaluationMs: number | undefined,
): Promise<Collector> {
  const medications = new Medications(base)
  if (mapping.medications) {
    for await (const entries of read(['Medication']))
      for (const { resource, fullUrl } of entries) medications.add(resource, fullUrl)
  }
  const collector = new Collector(mapping, medications, base)
  for await (const entries of read(mapping.types)) {
    for (let from = 0; from < entries.length; from += EVALUATED_AT_ONCE)
      bounded(() => {
        for (const entry of entries.slice(from, from + EVALUATED_AT_ONCE)) collector.add(entry)
      }, evaluationMs)
  }
  return collector
}

/**
 * `source`: with paths that mean the same wherever a command runs (`anchoredFhir`). `temporary`: a private folder, for an export. Throws `declaration-invalid`, `fhir-data`, `fhir-answer`,
 * `fhir-unreachable`, `fhir-incomplete`, and what reading the named files throws.
 */
export async function openFhir(
  source: FhirSource,
  { temporary, evaluationMs }: { readonly temporary?: string; readonly evaluationMs?: number } = {},
): Promise<SourceTable & { readonly notes: readonly string[] }> {
  const mapping = await compileMapping(source)
  const base = source.fhir.base?.replace(/\/+$/, '')
  const notes: string[] = []
  const collector = await (async () => {
    if (source.fhir.files !== undefined) {
      const files = await bulkFiles(source.fhir.files)
      return collect(mapping, filesRead(files), base, evaluationMs)
    }
    const get = openHttp(await accessOf(source.fhir))
    try {
      const read =
        source.fhir.export === undefined
          ? serverRead(source, base as string, get, notes)
          : filesRead(await exported(source, mapping, get, temporary, notes))
      return await collect(mapping, read, base, evaluationMs)
    } finally {
      get.close()
    }
  })()
  notes.push(...collector.notes())
  return { ...collector.table(), notes, close: async () => {} }
}
