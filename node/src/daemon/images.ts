/**
 * Images in a daemon: the engine of the configuration, swept before anything runs, and the operator's files about every run.
 * Without a configured engine there is none, and a job of an image ends at this node with `no-container-engine`.
 */
import { rm } from 'node:fs/promises'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { configuredEngine } from '../config/engine.js'
import type { Config } from '../config/settings.js'
import type { StateFolder } from '../config/state-folder.js'
import type { Log } from '../log.js'
import { ImageRunner } from '../runner/image-runner.js'
import { RunNotes } from '../runner/run-notes.js'
import type { WorkerRunner } from '../runner/worker-runner.js'

const MEBIBYTE = 1 << 20

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
  const notes = new RunNotes(folder.imageLogsDir, log)
  return new ImageRunner({
    engine,
    limits: { memoryBytes: config.containerMemoryMb * MEBIBYTE, timeMs: config.containerTimeoutMs },
    prepare: once,
    rows: (request, signal) => builtIn.rowsForImage(request, signal),
    onBegin: (run) => notes.begin(run),
    onRun: (run) => notes.end(run),
    onUndeclared: (what) => log('warn', 'image-undeclared', what),
  })
}
