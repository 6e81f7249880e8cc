/**
 * The datasets of a node: immutable versions in `NAME/VERSION/{schema.json,rows.bin}` and a file `NAME/current`.
 * Implements docs/spec/jobs.md, "Datasets". A version is a salted hash: without the node's salt it tells nothing about
 * the rows, not even to who can guess them. Nothing here is encrypted: the folder is as safe as the disk it is on.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import {
  columnDescriptionSchema,
  type DatasetDescription,
  datasetAnnouncementSchema,
} from '@flamesh/protocol/jobs/dataset.js'
import { z } from 'zod'
import {
  createSynced,
  hasCode,
  makePrivateFolder,
  PRIVATE_FILE,
  PRIVATE_FOLDER,
  replaceSynced,
  syncFolder,
  UNFINISHED,
  unfinishedName,
} from '../store/files.js'
import { SEPARATORS } from './csv.js'
import { declarationSchema } from './declaration.js'
import { ENCODINGS } from './encoding.js'
import { changedFile, readRows, writeRows } from './rows-file.js'
import { type Confirmation, openRows, type Proposal, publishedColumns, roundRows } from './schema.js'
import { DECIMALS, readingSchema, THOUSANDS } from './values.js'

const SCHEMA = 'schema.json'
const ROWS = 'rows.bin'
const CURRENT = 'current'
const VERSION = /^[0-9a-f]{64}$/
/** What was written this long ago belongs to no `add` that still runs in another process (milliseconds). */
const SETTLED_AFTER_MS = 24 * 3_600_000

const storedSchema = z.strictObject({
  format: z.literal('flamesh-rows/1'),
  name: datasetAnnouncementSchema.shape.name,
  rows: z.int().min(0),
  /** what the operator declared of the file */
  declaration: declarationSchema,
  /** what it was read by, declared or guessed */
  form: z.strictObject({
    encoding: z.enum(ENCODINGS),
    separator: z.enum(SEPARATORS),
    decimal: z.enum(DECIMALS),
    thousands: z.enum(THOUSANDS).nullable(),
    missing: z.array(z.string()),
  }),
  columns: z.array(
    z.strictObject({
      name: z.string(),
      type: columnDescriptionSchema.shape.type,
      reading: readingSchema,
      missing: z.int().min(0),
      missingAs: z.record(z.string(), z.int()),
      levels: z.array(z.strictObject({ value: z.string(), rows: z.int(), rare: z.boolean() })).optional(),
    }),
  ),
  /** what the operator confirmed: the only part another node ever sees */
  published: z.array(columnDescriptionSchema),
})
export type StoredSchema = z.infer<typeof storedSchema>

/** A dataset as its own site sees it: exact counts, every level. */
export interface StoredDataset extends StoredSchema {
  readonly version: Hex
}

function checkedName(name: string): string {
  if (!datasetAnnouncementSchema.shape.name.safeParse(name).success) {
    throw new FlameshError(
      'dataset-name',
      'a dataset’s name is a letter or digit followed by letters, digits, ".", "_" or "-"',
      {
        meta: { dataset: name.slice(0, 64) },
        hint: 'use the name the studies use, such as lung',
      },
    )
  }
  return name
}

function missing(name: string): FlameshError {
  return new FlameshError('dataset-missing', `this node has no dataset ${name}`, {
    meta: { dataset: name },
    hint: 'flamesh dataset list shows what it has; flamesh dataset add adds one',
  })
}

function parseSchema(text: string, name: string): StoredSchema {
  try {
    return storedSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new FlameshError('dataset-damaged', `the schema of dataset ${name} is not as it was written`, {
      meta: { dataset: name },
      hint: 'add the dataset again from its source',
      cause,
    })
  }
}

function orMissing(name: string): (error: unknown) => never {
  return (error) => {
    throw hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR') ? missing(name) : error
  }
}

function versionHash(salt: Uint8Array, schema: string): ReturnType<typeof createHmac> {
  return createHmac('sha256', salt)
    .update(`flamesh/dataset/1\0${Buffer.byteLength(schema)}\0`)
    .update(schema)
}

/**
 * The named columns of one version of a dataset, for the thread that analyses (synchronous; see `readRows`). Throws
 * `dataset-missing`, `dataset-damaged` or `out-of-memory`; messages hold no value of the data.
 */
export function loadRows(
  folder: string,
  name: string,
  version: Hex,
  columns: ReadonlySet<string>,
  maxBytes: number,
): Rows {
  if (!VERSION.test(version)) throw missing(name)
  const path = join(folder, checkedName(name), version)
  try {
    return readRows(join(path, ROWS), parseSchema(readFileSync(join(path, SCHEMA), 'utf8'), name), columns, maxBytes)
  } catch (error) {
    return orMissing(name)(error)
  }
}

function storedSchemaOf(name: string, proposal: Proposal, confirmation: Confirmation): StoredSchema {
  const { rows, declaration, form } = proposal
  return {
    format: 'flamesh-rows/1',
    name,
    rows,
    declaration,
    form: {
      encoding: form.encoding.value,
      separator: form.separator.value,
      decimal: form.decimal.value,
      thousands: form.thousands.value,
      missing: [...form.missing.value],
    },
    columns: proposal.columns.map(({ name: column, type, reading, missing: count, missingAs, levels }) => ({
      name: column,
      type,
      reading,
      missing: count,
      missingAs,
      ...(levels === undefined ? {} : { levels: levels.map((level) => ({ ...level })) }),
    })),
    published: publishedColumns(proposal.columns, confirmation),
  }
}

/** `salt`: 32 random bytes of this node alone (store/identity.ts). Several processes may hold the same folder. */
export class DatasetStore {
  private constructor(
    readonly folder: string,
    private readonly salt: Uint8Array,
  ) {}

  static async open(folder: string, salt: Uint8Array): Promise<DatasetStore> {
    await makePrivateFolder(folder)
    return new DatasetStore(folder, salt)
  }

  /**
   * Copies the rows the operator confirmed into the node's folder and makes them the current version; earlier versions
   * stay for the jobs that were approved on them. The same rows and confirmation give the same version again. Throws
   * what `openCsv` throws, `dataset-name`, `dataset-empty`, and `csv-changed` if the file is not the one inspected.
   */
  async add(name: string, proposal: Proposal, confirmation: Confirmation = {}): Promise<DatasetDescription> {
    const home = join(this.folder, checkedName(name))
    if (proposal.rows === 0) {
      throw new FlameshError('dataset-empty', 'the file has a header but no rows', {
        meta: { file: proposal.file },
        hint: 'is it the right file?',
      })
    }
    const schema = storedSchemaOf(name, proposal, confirmation)
    await mkdir(home, { recursive: true, mode: PRIVATE_FOLDER })
    await syncFolder(this.folder)
    const aside = unfinishedName(join(home, 'version'))
    try {
      await mkdir(aside, { mode: PRIVATE_FOLDER })
      const version = await this.#copy(aside, schema, proposal)
      const place = join(home, version)
      await rename(aside, place).catch(async (error) => {
        if (!hasCode(error, 'ENOTEMPTY') && !hasCode(error, 'EEXIST')) throw error
        // the same rows and confirmation were added before: as good as new, for `prune` too
        await utimes(place, new Date(), new Date())
      })
      await syncFolder(home)
      await replaceSynced(join(home, CURRENT), `${version}\n`)
      return { name, columns: schema.published, roundedRows: roundRows(schema.rows), version }
    } finally {
      await rm(aside, { recursive: true, force: true })
    }
  }

  async #copy(folder: string, schema: StoredSchema, proposal: Proposal): Promise<Hex> {
    const text = `${JSON.stringify(schema, null, 2)}\n`
    const hash = versionHash(this.salt, text)
    await createSynced(join(folder, SCHEMA), text)
    const { batches, fingerprint } = await openRows(proposal)
    const handle = await open(join(folder, ROWS), 'wx', PRIVATE_FILE)
    try {
      await writeRows(handle, { rows: schema.rows, columns: proposal.columns }, batches, (bytes) => hash.update(bytes))
      await handle.sync()
    } finally {
      await handle.close()
    }
    if (fingerprint() !== proposal.fingerprint) throw changedFile()
    await syncFolder(folder)
    return hash.digest('hex')
  }

  async #names(): Promise<readonly string[]> {
    const entries = await readdir(this.folder, { withFileTypes: true })
    return entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => entry.name)
      .sort()
  }

  async #currentVersion(name: string): Promise<Hex> {
    const version = (
      await readFile(join(this.folder, checkedName(name), CURRENT), 'utf8').catch(orMissing(name))
    ).trim()
    if (!VERSION.test(version)) {
      throw new FlameshError('dataset-damaged', `dataset ${name} names no version`, {
        meta: { dataset: name },
        hint: 'add the dataset again from its source',
      })
    }
    return version
  }

  /** The current version of one dataset, for its own site. Throws `dataset-missing` or `dataset-damaged`. */
  async show(name: string): Promise<StoredDataset> {
    const version = await this.#currentVersion(name)
    const text = await readFile(join(this.folder, name, version, SCHEMA), 'utf8').catch(orMissing(name))
    return { ...parseSchema(text, name), version }
  }

  /** The current version of every dataset, by name. */
  async list(): Promise<readonly StoredDataset[]> {
    const found: StoredDataset[] = []
    for (const name of await this.#names()) {
      try {
        found.push(await this.show(name))
      } catch (error) {
        // a first `add` that a crash cut short
        if (!(error instanceof FlameshError && error.code === 'dataset-missing')) throw error
      }
    }
    return found
  }

  /** What the mesh may know of the datasets, and their versions. */
  async describeDatasets(): Promise<readonly DatasetDescription[]> {
    return (await this.list()).map(({ name, published, rows, version }) => ({
      name,
      columns: published,
      roundedRows: roundRows(rows),
      version,
    }))
  }

  /** Reads the current version of a dataset whole and compares it with its salted hash. Throws `dataset-damaged`. */
  async verify(name: string): Promise<void> {
    const { version } = await this.show(name)
    const folder = join(this.folder, name, version)
    const hash = versionHash(this.salt, await readFile(join(folder, SCHEMA), 'utf8'))
    for await (const chunk of createReadStream(join(folder, ROWS))) hash.update(chunk as Buffer)
    if (!timingSafeEqual(hash.digest(), Buffer.from(version, 'hex'))) {
      throw new FlameshError('dataset-damaged', `dataset ${name} is not as it was written`, {
        meta: { dataset: name },
        hint: 'add the dataset again from its source',
      })
    }
  }

  /**
   * Deletes what abandoned commands left and versions that are neither current nor in `needed` (those that open jobs
   * were approved on), once they are a day old: a younger one may be about to become current.
   */
  async prune(needed: ReadonlySet<Hex>, nowMs: number = Date.now()): Promise<readonly Hex[]> {
    const deleted: Hex[] = []
    for (const name of await this.#names()) {
      const home = join(this.folder, name)
      const current = await this.#currentVersion(name).catch(() => undefined)
      for (const entry of await readdir(home)) {
        const old = current !== undefined && VERSION.test(entry) && entry !== current && !needed.has(entry)
        if (!old && !entry.startsWith(UNFINISHED)) continue
        if ((await stat(join(home, entry))).mtimeMs >= nowMs - SETTLED_AFTER_MS) continue
        await rm(join(home, entry), { recursive: true, force: true })
        if (old) deleted.push(entry)
      }
      await syncFolder(home)
    }
    return deleted
  }
}
