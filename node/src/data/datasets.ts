/**
 * The datasets of a node: immutable versions in `NAME/VERSION/{schema.json,rows.bin}` and a file `NAME/current` that names
 * the current one and those before it.
 * Implements docs/spec/jobs.md, "Datasets". A version is a salted hash: without the node's salt it tells nothing about
 * the rows, not even to who can guess them. Nothing here is encrypted: the folder is as safe as the disk it is on.
 */
import { timingSafeEqual } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import type { Rows } from '@flamesh/protocol/analyses/analysis.js'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { CatalogueEntry } from '@flamesh/protocol/jobs/catalogue.js'
import { type DatasetDescription, datasetAnnouncementSchema } from '@flamesh/protocol/jobs/dataset.js'
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
import { readCatalogue, writeCatalogue } from './catalogue-file.js'
import { type DatasetDiff, diffVersions } from './diff.js'
import { formatHistory, type History, type HistoryEntry, parseHistory, VERSION } from './history.js'
import type { StoredVersion } from './row-hashes.js'
import { readRows, writeRows } from './rows-file.js'
import { type Confirmation, changedFile, openRows, type Proposal, roundRows } from './schema.js'
import { parseSchema, type StoredDataset, type StoredSchema, storedSchemaOf, versionHash } from './stored-schema.js'

const SCHEMA = 'schema.json'
const ROWS = 'rows.bin'
const CURRENT = 'current'
/** What was written this long ago belongs to no `add` that still runs in another process (milliseconds). */
const SETTLED_AFTER_MS = 24 * 3_600_000

/** Throws `dataset-name`. */
export function checkedName(name: string): string {
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

function missing(name: string, message = `this node has no dataset ${name}`): FlameshError {
  return new FlameshError('dataset-missing', message, {
    meta: { dataset: name },
    hint: 'flamesh dataset list shows what it has; flamesh dataset add adds one',
  })
}

function orMissing(name: string): (error: unknown) => never {
  return (error) => {
    throw hasCode(error, 'ENOENT') || hasCode(error, 'ENOTDIR') ? missing(name) : error
  }
}

function ifMissing(error: unknown): undefined {
  if (!(error instanceof FlameshError && error.code === 'dataset-missing')) throw error
  return undefined
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
  const { rowsFile, schema } = storedVersion(folder, name, version)
  try {
    return readRows(rowsFile, schema, columns, maxBytes)
  } catch (error) {
    return orMissing(name)(error)
  }
}

/** One version of a dataset as it lies on disk, for the same thread. Throws `dataset-missing` or `dataset-damaged`. */
export function storedVersion(folder: string, name: string, version: Hex): StoredVersion {
  if (!VERSION.test(version)) throw missing(name)
  const path = join(folder, checkedName(name), version)
  try {
    const schema = { ...parseSchema(readFileSync(join(path, SCHEMA), 'utf8'), name), version }
    return { schema, rowsFile: join(path, ROWS) }
  } catch (error) {
    return orMissing(name)(error)
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
      throw new FlameshError('dataset-empty', 'there are columns but no rows', {
        meta: { file: proposal.table.name },
        hint: 'is it the right file, or the right query?',
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
      const before = (await this.#history(name).catch(ifMissing))?.versions ?? []
      const versions = before[0]?.version === version ? before : [{ version, at: new Date().toISOString() }, ...before]
      await replaceSynced(join(home, CURRENT), formatHistory({ versions, retiredAt: undefined }))
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

  async #history(name: string): Promise<History> {
    const text = await readFile(join(this.folder, checkedName(name), CURRENT), 'utf8').catch(orMissing(name))
    return parseHistory(text, name)
  }

  async #stored(name: string, version: Hex): Promise<StoredDataset> {
    const text = await readFile(join(this.folder, name, version, SCHEMA), 'utf8').catch(orMissing(name))
    return { ...parseSchema(text, name), version }
  }

  /** The current version of one dataset, for its own site. Throws `dataset-missing` or `dataset-damaged`. */
  async show(name: string): Promise<StoredDataset> {
    const { versions, retiredAt } = await this.#history(name)
    if (retiredAt !== undefined) throw missing(name, `dataset ${name} was retired on ${retiredAt.slice(0, 10)}`)
    return this.#stored(name, (versions[0] as HistoryEntry).version)
  }

  /** Its versions, the newest first, and whether their rows are still here. Throws as `show`. */
  async versions(name: string): Promise<readonly (HistoryEntry & { readonly stored: boolean })[]> {
    const { versions } = await this.#history(name)
    const stored = new Set(await readdir(join(this.folder, name)))
    return versions.map((one) => ({ ...one, stored: stored.has(one.version) }))
  }

  /**
   * Takes a dataset back: it is announced no longer, and no job can begin on it. What jobs were approved on stays until
   * `prune`. Adding it again ends the retirement. Throws as `show`.
   */
  async retire(name: string): Promise<StoredDataset> {
    const dataset = await this.show(name)
    const { versions } = await this.#history(name)
    const history = { versions, retiredAt: new Date().toISOString() }
    await replaceSynced(join(this.folder, name, CURRENT), formatHistory(history))
    return dataset
  }

  /**
   * What differs between two versions: by default the one before the current one, and the current one; else those whose
   * names begin so. Throws `dataset-missing` or `dataset-damaged`.
   */
  async diff(name: string, from?: string, to?: string): Promise<DatasetDiff> {
    const versions = (await this.versions(name)).filter((one) => one.stored)
    const find = (prefix: string | undefined, at: number): Hex => {
      const found = prefix === undefined ? versions[at] : versions.find(({ version }) => version.startsWith(prefix))
      if (found !== undefined) return found.version
      throw missing(
        name,
        `dataset ${name} has no ${prefix === undefined ? 'version before this one' : prefix} any more`,
      )
    }
    const open = async (version: Hex): Promise<StoredVersion> => ({
      schema: await this.#stored(name, version),
      rowsFile: join(this.folder, name, version, ROWS),
    })
    return diffVersions(await open(find(from, 1)), await open(find(to, 0)))
  }

  /** The current version of every dataset, by name. */
  async list(): Promise<readonly StoredDataset[]> {
    const found: StoredDataset[] = []
    for (const name of await this.#names()) {
      // none: retired, or a first `add` that a crash cut short
      const dataset = await this.show(name).catch(ifMissing)
      if (dataset !== undefined) found.push(dataset)
    }
    return found
  }

  /** What the mesh may know of the datasets, and their versions. */
  async describeDatasets(): Promise<readonly DatasetDescription[]> {
    return Promise.all(
      (await this.list()).map(async ({ name, published, rows, version }) => {
        const catalogue = await this.catalogue(name)
        const words = catalogue === undefined ? {} : { catalogue }
        return { name, columns: published, roundedRows: roundRows(rows), ...words, version }
      }),
    )
  }

  /** What the mesh is told of a dataset in words. Throws `dataset-damaged`. */
  async catalogue(name: string): Promise<CatalogueEntry | undefined> {
    return readCatalogue(join(this.folder, checkedName(name)), name)
  }

  /** Tells the mesh this of a dataset, or nothing any more. Throws as `show`. */
  async describe(name: string, entry: CatalogueEntry | undefined): Promise<void> {
    await this.show(name)
    await writeCatalogue(join(this.folder, name), entry)
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
   * Deletes what abandoned commands left, and versions that nobody needs any more: all but the current one and the one
   * before it, or all of a retired dataset. Nothing of a dataset in `busy`, those of open jobs, and nothing younger than a
   * day: it may be about to become current.
   */
  async prune(busy: ReadonlySet<string>, nowMs: number = Date.now()): Promise<readonly Hex[]> {
    const deleted: Hex[] = []
    for (const name of await this.#names()) {
      if (busy.has(name)) continue
      const home = join(this.folder, name)
      const history = await this.#history(name).catch(() => undefined)
      const kept = history?.retiredAt === undefined ? history?.versions.slice(0, 2) : []
      for (const entry of await readdir(home)) {
        const old = kept !== undefined && VERSION.test(entry) && !kept.some(({ version }) => version === entry)
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
