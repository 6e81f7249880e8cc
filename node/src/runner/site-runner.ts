/** The `Runner` port of a node: built-in analyses in their thread, images in containers if the node has an engine. */
import type { ContributeOutcome, Runner } from '@flamesh/protocol/ports.js'

const NO_ENGINE: ContributeOutcome = {
  ok: false,
  code: 'no-container-engine',
  message: 'this node has no container engine, so no image runs here',
}

export function siteRunner(builtIn: Pick<Runner, 'contribute'>, images: Runner | undefined): Runner {
  return {
    contribute: (request) =>
      request.image === null
        ? builtIn.contribute(request)
        : (images?.contribute(request) ?? Promise.resolve(NO_ENGINE)),
    reduce: (request) => images?.reduce(request) ?? Promise.resolve(NO_ENGINE),
  }
}
