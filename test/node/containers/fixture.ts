/**
 * A real container engine and registry for tests, started once for all files that ask and ended after the last test. Where a
 * program is missing the tests are pending, and the end of the run says why.
 */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ContainerEngine } from '@flamesh/node/containers/engine.js'
import type Docker from 'dockerode'
import { LocalEngine, whyNoEngine } from '../../../docs/examples/images/local-engine.js'

const EXAMPLES = fileURLToPath(new URL('../../../docs/examples/images/', import.meta.url))
const reason = whyNoEngine()

/** `it`, or a pending test where there is no engine. */
export const withEngine: (title: string, test: Mocha.AsyncFunc) => void =
  reason === undefined ? it : (title) => it(`${title} (NOT RUN: ${reason})`)

if (reason !== undefined) {
  process.once('exit', () => process.stderr.write(`WARNING: the tests of containers did NOT run: ${reason}\n`))
}

export interface TestEngine {
  readonly docker: Docker
  readonly socketPath: string
  /** references by digest, as pushed to the registry; nothing is left in the engine but what was pulled */
  readonly images: { readonly script: string; readonly python: string; readonly shell: string }
  /** a reference by digest to an image built from this Dockerfile, which starts with FROM base */
  publish(name: string, dockerfile: string): Promise<string>
  /** the example r-moments, on what is installed of R */
  readonly pushR: () => Promise<string>
  readonly folder: string
}

/** Runs the script that stands in its rows: an analysis that does whatever a test wants. */
const SCRIPT_IMAGE = 'FROM base\nENTRYPOINT ["/bin/sh", "/flamesh/data/rows.csv"]\n'

let local: LocalEngine | undefined

async function makeEngine(): Promise<TestEngine> {
  const engine = await LocalEngine.start()
  local = engine
  const images = {
    script: await engine.publish('script', SCRIPT_IMAGE),
    python: await engine.push('python', join(EXAMPLES, 'python-logistic')),
    shell: await engine.push('shell', join(EXAMPLES, 'shell-shares')),
  }
  const { docker, socketPath, folder } = engine
  const publish = (name: string, dockerfile: string): Promise<string> => engine.publish(name, dockerfile)
  const pushR = (): Promise<string> => engine.pushWithR('r', join(EXAMPLES, 'r-moments'))
  return { docker, socketPath, images, publish, pushR, folder }
}

let making: Promise<TestEngine> | undefined

/** The engine, started if need be. */
export async function testEngine(): Promise<TestEngine> {
  making ??= makeEngine()
  return await making
}

export const available = reason === undefined

/** An engine of this node, with a scratch folder of its own. */
export function siteEngine(engine: TestEngine, node = 'site-a', name = node): ContainerEngine {
  const scratchFolder = join(engine.folder, `scratch-${name}`)
  return new ContainerEngine({ node, scratchFolder, address: { socketPath: engine.socketPath } })
}

if (available) {
  after('stop the container engine', async function () {
    this.timeout(60_000)
    await local?.stop()
  })
}
