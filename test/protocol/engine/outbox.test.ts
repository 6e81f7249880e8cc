/** Delivery at least once: what is tried again, what is not sent twice, what gives way. */
import assert from 'node:assert/strict'
import { accept, later, type Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { type Entry, Outbox } from '@flamesh/protocol/engine/outbox.js'
import { encodeWire } from '@flamesh/protocol/wire.js'
import { VirtualClock } from '@flamesh/simulations/kernel/clock.js'

const PEER = 'ab'.repeat(32)
const entry = (round: number, untilMs = 60_000): Entry => ({
  id: 'behind',
  to: PEER,
  message: { type: 'behind', job: 'cd'.repeat(32), round, attempt: 0 },
  untilMs,
})

/** An outbox whose deliveries are answered one by one. */
function outbox() {
  const clock = new VirtualClock(0)
  const flights: ((verdict: Verdict | undefined) => void)[] = []
  const settled: Verdict[] = []
  const box = new Outbox(
    clock,
    (message) => encodeWire(message).slice(),
    () => new Promise((land, fail) => flights.push((verdict) => (verdict ? land(verdict) : fail(new Error('lost'))))),
    (_entry, verdict) => settled.push(verdict),
  )
  return { clock, flights, settled, box }
}

describe('an outbox', () => {
  it('does not send what is on its way already', async () => {
    const { clock, flights, settled, box } = outbox()
    box.add(entry(1))
    box.add(entry(1))
    await clock.run(5_000)
    assert.equal(flights.length, 1)
    flights[0]?.(accept)
    await clock.run(10_000)
    assert.deepEqual([flights.length, settled], [1, [accept]])
    box.add(entry(1))
    assert.equal(flights.length, 2)
  })

  it('sends it again if it is lost, for as long as the later one was to last', async () => {
    const { clock, flights, settled, box } = outbox()
    box.add(entry(1, 1_000))
    box.add(entry(1, 20_000))
    flights[0]?.(undefined)
    await clock.run(15_000)
    assert.equal(flights.length, 2)
    flights[1]?.(later('busy'))
    await clock.run(19_000)
    assert.equal(flights.length, 3)
    flights[2]?.(accept)
    await clock.run(30_000)
    assert.deepEqual([flights.length, settled], [3, [accept]])
  })

  it('sends something else under the same name at once', () => {
    const { flights, box } = outbox()
    box.add(entry(1))
    box.add(entry(2))
    assert.equal(flights.length, 2)
  })
})
