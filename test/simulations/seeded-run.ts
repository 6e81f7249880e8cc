/** One job over twelve routed sites whose seed is the argument: prints how it ended and the hash over everything. */
import { describeJob, submit, world } from './world.js'

const { federation } = await world({ seed: Number(process.argv[2]), sites: 12, seats: 4, gossip: 'router' })
const job = await submit(federation, describeJob(federation))
await federation.finish(job)
process.stdout.write(`${federation.node('researcher').up().job(job)?.status} ${federation.network.hash()}\n`)
await federation.stop()
