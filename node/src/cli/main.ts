/** Entry point of the `flamesh` command. */
import '../shim.js'
import { main } from './run.js'

process.exitCode = await main(process.argv.slice(2), process.env, process)
