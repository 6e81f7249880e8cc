/**
 * Images in a daemon: the engine of the configuration, swept before anything runs, and the operator's files about every run.
 * Without a configured engine there is none, and a job of an image ends at this node with `no-container-engine`.
 */
import { readdir, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { configuredEngine } from '../config/engine.js'
import type { Config } from '../config/settings.js'
import type { StateFolder } from '../config/state-folder.js'
import { type ImageRun, ImageRunner } from '../runner/image-runner.js'
import type { WorkerRunner } from '../runner/worker-runner.js'
import { makePrivateFolder, PRIVATE_FILE } from '../store/files.js'
import type { Log } from './log.js'

const MEBIBYTE = 1 << 20
/** Runs whose files are kept. */
const KEPT_RUNS = 200

export async function openImages(
  { folder, config, log }: { readonly folder: StateFolder; readonly config: Config; readonly log: Log },
  node: Hex,
  builtIn: WorkerRunner,
): Promise<ImageRunner | undefined> {
  const engine = await configuredEngine(folder, config, node)
  if (engine === undefined) {
    // of a life that had one
    await rm(folder.runsDir, { recursive: true, force: true })
    return undefined
  }
  // an engine that is down now may be up when a job comes; whatever is left behind is swept before its first run
  let swept: Promise<void> | undefined
  const sweep = async (): Promise<void> => {
    const { containers, folders } = await engine.sweep()
    if (containers > 0 || folders > 0) log('warn', 'containers-swept', { containers, folders })
  }
  const once = (): Promise<void> => {
    swept ??= sweep().catch((error: unknown) => {
      swept = undefined
      throw error
    })
    return swept
  }
  once().catch((error: unknown) => {
    log('warn', 'container-engine', { reason: error instanceof FlameshError ? error.message : String(error) })
  })
  return new ImageRunner({
    engine,
    limits: { memoryBytes: config.containerMemoryMb * MEBIBYTE, timeMs: config.containerTimeoutMs },
    prepare: once,
    rows: (request, signal) => builtIn.rowsForImage(request, signal),
    onRun: (run) => noteRun(folder.imageLogsDir, run, log),
    onUndeclared: (what) => log('warn', 'image-undeclared', what),
  })
}

/** One file a run; the oldest go. What cannot be written is no reason to fail an analysis. */
async function noteRun(folder: string, { job, round, entry, image, outcome }: ImageRun, log: Log): Promise<void> {
  const ending = outcome.ok ? 'ok' : outcome.code
  log(outcome.ok ? 'info' : 'warn', 'image-run', { job, round, entry, image, ending })
  const { operator } = outcome
  const parts = [
    `job ${job}, round ${round}, ${entry}`,
    image,
    outcome.ok ? 'ended well' : `${outcome.code}: ${outcome.message}`,
    ...(outcome.ok || outcome.hint === undefined ? [] : [outcome.hint]),
    ...(operator.detail === '' ? [] : ['', 'the engine or the system said:', operator.detail]),
    ...(operator.report === '' ? [] : ['', 'report:', operator.report]),
    ...(operator.log === '' ? [] : ['', 'printed:', operator.log]),
  ]
  try {
    await makePrivateFolder(folder)
    const name = `${new Date().toISOString().replaceAll(/[:.]/g, '-')}_${job.slice(0, 12)}_${round}_${entry}.txt`
    await writeFile(join(folder, name), `${parts.join('\n')}\n`, { mode: PRIVATE_FILE })
    const names = (await readdir(folder)).sort()
    for (const old of names.slice(0, Math.max(0, names.length - KEPT_RUNS))) await unlink(join(folder, old))
  } catch (error) {
    log('warn', 'image-log', { reason: String(error) })
  }
}
