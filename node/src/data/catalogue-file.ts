/**
 * `NAME/catalogue.json`: what the mesh is told of a dataset in words (docs/spec/jobs.md, "Catalogue"). It stands beside the versions
 * and in none of them: a better title makes no new rows.
 */
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { type CatalogueEntry, catalogueSchema } from '@flamesh/protocol/jobs/catalogue.js'
import { hasCode, replaceSynced, syncFolder } from '../store/files.js'

const FILE = 'catalogue.json'

/** Undefined if nothing is told. Throws `dataset-damaged`. */
export async function readCatalogue(home: string, name: string): Promise<CatalogueEntry | undefined> {
  try {
    return catalogueSchema.parse(JSON.parse(await readFile(join(home, FILE), 'utf8')))
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined
    throw new FlameshError('dataset-damaged', `what is told of dataset ${name} is not as it was written`, {
      meta: { dataset: name },
      hint: `write it again: flamesh dataset describe ${name} FILE`,
      cause,
    })
  }
}

export async function writeCatalogue(home: string, entry: CatalogueEntry | undefined): Promise<void> {
  if (entry !== undefined) return replaceSynced(join(home, FILE), `${JSON.stringify(entry, null, 2)}\n`)
  await rm(join(home, FILE), { force: true })
  await syncFolder(home)
}
