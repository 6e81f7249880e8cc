/** The other threads of a large simulation: they change how long a run takes, and nothing else. */
import assert from 'node:assert/strict'
import { bytesToHex } from '@flamesh/protocol/crypto/hash.js'
import { deriveKeyPair } from '@flamesh/protocol/crypto/sealing.js'
import { type ComputeTask, compute } from '@flamesh/protocol/secagg/compute.js'
import { seededRandom } from '@flamesh/simulations/kernel/random.js'
import { ComputeThreads } from '@flamesh/simulations/kernel/threads.js'
import { MEASURED } from '@flamesh/simulations/network/costs.js'
import { describeJob, submit, world } from './world.js'

const random = seededRandom(1, 'thread')
const hex = (): string => bytesToHex(random.bytes(32))

/** One site's vector of a round with a committee of four; the bound is 2^20. */
const task = (value: number): ComputeTask => ({
  kind: 'prepare',
  input: {
    shape: { dimension: 3, counts: 3, ring: 64, fractionBits: 20, boundBits: 20, slices: 3, seats: 4 },
    roundId: hex(),
    prekeys: Array.from({ length: 4 }, (_, seat) =>
      seat === 2 ? null : { member: hex(), committee: 1, key: bytesToHex(deriveKeyPair(random.bytes(32)).publicKey) },
    ),
    site: hex(),
    enrolment: 7,
    values: Float64Array.of(1, value, -2.5),
    randomness: random.bytes(160),
  },
})

describe('the other threads of a simulation', () => {
  it('answer as this one does, refusals too, in whatever order it is asked for', async () => {
    const threads = new ComputeThreads()
    const tasks = Array.from({ length: 150 }, (_, at) => task(at % 10 === 9 ? 2 ** 30 : at))
    const answers = tasks.map((one) => threads.begin(one))
    for (const [at, answer] of [...answers.entries()].reverse()) {
      const expected = compute(tasks[at] as ComputeTask)
      assert.equal(expected.kind, at % 10 === 9 ? 'failed' : 'prepared')
      assert.deepEqual(answer(), expected)
    }
    assert.ok(threads.answered > 0)
    await threads.stop()
  })

  it('are not missed once they are gone', async () => {
    const threads = new ComputeThreads()
    await threads.stop()
    const one = task(4)
    assert.deepEqual(threads.begin(one)(), compute(one))
  })

  it('leave a run as it is', async () => {
    const hashes: string[] = []
    for (const threadsFromSites of [1, Number.POSITIVE_INFINITY]) {
      const { federation } = await world({ costs: MEASURED, threadsFromSites })
      await federation.finish(await submit(federation, describeJob(federation)))
      assert.equal(federation.node('researcher').up().jobs()[0]?.status, 'released')
      hashes.push(federation.network.hash())
      await federation.stop()
    }
    assert.equal(hashes[0], hashes[1])
  })
})
