/** The `Runner` port of a node: built-in analyses in their thread, images in containers if the node has an engine. */
import type { ContributeOutcome, Run, Runner } from '@flamesh/protocol/ports.js'
import type { ImageRunner } from './image-runner.js'
import type { WorkerRunner } from './worker-runner.js'

const NO_ENGINE: ContributeOutcome = {
  ok: false,
  code: 'no-container-engine',
  message: 'this node has no container engine, so no image runs here',
}

export function siteRunner(
  builtIn: Pick<WorkerRunner, 'contribute'>,
  images: Pick<ImageRunner, 'contribute' | 'reduce'> | undefined,
): Runner {
  return {
    contribute: (request) =>
      begin((signal) => (request.image === null ? builtIn : images)?.contribute(request, signal)),
    reduce: (request) => begin((signal) => images?.reduce(request, signal)),
  }
}

function begin(work: (signal: AbortSignal) => Promise<ContributeOutcome> | undefined): Run {
  const controller = new AbortController()
  return { outcome: work(controller.signal) ?? Promise.resolve(NO_ENGINE), cancel: () => controller.abort() }
}
