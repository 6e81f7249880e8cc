/** A process that runs a container and is killed by a test: node orphan.ts SOCKET SCRATCH NODE IMAGE. */
import { ContainerEngine } from '@flamesh/node/containers/engine.js'
import { scriptInput } from './script-input.js'

const [socketPath = '', scratchFolder = '', node = '', image = ''] = process.argv.slice(2)
const engine = new ContainerEngine({ node, scratchFolder, address: { socketPath } })
await engine.run({ image, input: scriptInput('sleep 600') })
