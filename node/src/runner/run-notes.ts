/**
 * The operator's files about runs of images, one a run, for the owner of the folder alone: while it runs, what it has printed so
 * far; afterwards how it ended, what it reported, and its log. `flamesh job log` reads them, without the daemon.
 */
import { appendFile, readdir, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../log.js'
import { makePrivateFolder, PRIVATE_FILE, unfinishedName } from '../store/files.js'
import type { ImageRun, RunBegun } from './image-runner.js'

/** Runs whose files are kept. */
const KEPT_RUNS = 200
/** Third line of a run without an end; a node that was killed leaves it at that. */
export const NO_END = 'no end is known yet'
/** What follows in a file is what the image printed. */
export const PRINTED = '\nprinted:\n'

const nameOf = ({ job, round, entry, begunMs }: RunBegun): string =>
  `${new Date(begunMs).toISOString().replaceAll(/[:.]/g, '-')}_${job.slice(0, 12)}_${round}_${entry}.txt`

const titleOf = ({ job, round, entry, image }: RunBegun): string => `job ${job}, round ${round}, ${entry}\n${image}\n`

export class RunNotes {
  /** settles when what was noted so far is written */
  #written: Promise<void> = Promise.resolve()

  constructor(
    private readonly folder: string,
    private readonly log: Log,
  ) {}

  /** Takes what the run prints from now on. */
  begin(run: RunBegun): (text: string) => void {
    const path = join(this.folder, nameOf(run))
    this.#write(async () => {
      await makePrivateFolder(this.folder)
      await writeFile(path, `${titleOf(run)}${NO_END}\n${PRINTED}`, { mode: PRIVATE_FILE })
    })
    return (text) => void this.#write(() => appendFile(path, text, { mode: PRIVATE_FILE }))
  }

  async end(run: ImageRun): Promise<void> {
    const { job, round, entry, image, outcome } = run
    const ending = outcome.ok ? 'ok' : outcome.code
    this.log(outcome.ok ? 'info' : 'warn', 'image-run', { job, round, entry, image, ending })
    await this.#write(async () => {
      await makePrivateFolder(this.folder)
      const path = join(this.folder, nameOf(run))
      // whoever reads meanwhile meets the one or the other
      const aside = unfinishedName(path)
      await writeFile(aside, textOf(run), { mode: PRIVATE_FILE })
      await rename(aside, path)
      const names = (await readdir(this.folder)).sort()
      for (const old of names.slice(0, Math.max(0, names.length - KEPT_RUNS))) await unlink(join(this.folder, old))
    })
  }

  /** In order. What cannot be written is no reason to fail an analysis. */
  #write(work: () => Promise<void>): Promise<void> {
    this.#written = this.#written.then(work).catch((error: unknown) => {
      this.log('warn', 'image-log', { reason: String(error) })
    })
    return this.#written
  }
}

function textOf(run: ImageRun): string {
  const { outcome } = run
  const { operator } = outcome
  const parts = [
    outcome.ok ? 'ended well' : `${outcome.code}: ${outcome.message}`,
    ...(outcome.ok || outcome.hint === undefined ? [] : [outcome.hint]),
    ...(operator.detail === '' ? [] : ['', 'the engine or the system said:', operator.detail]),
    ...(operator.report === '' ? [] : ['', 'report:', operator.report]),
  ]
  const printed = operator.log === '' ? '' : `${PRINTED}${operator.log}`
  return `${titleOf(run)}${parts.join('\n')}\n${printed}${printed.endsWith('\n') || printed === '' ? '' : '\n'}`
}
