import '@flamesh/node/shim.js'
import assert from 'node:assert/strict'
import { followHub } from '@flamesh/node/daemon/hub-follower.js'
import { realClock } from '@flamesh/node/daemon/real-ports.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { LogOutcome } from '@flamesh/protocol/peer.js'

/** A hub that is off, on, on with news, on with another log, then on for good; and whoever follows it. */
async function follow(outcomes: readonly (LogOutcome | 'off')[]) {
  const events: string[] = []
  const published: Uint8Array[] = []
  let asked = 0
  let logs = 0
  const record = new Uint8Array([1])
  const enough = Promise.withResolvers<void>()
  const follower = followHub({
    url: 'http://127.0.0.1:1',
    pollMs: 1,
    client: {
      async fetchLog() {
        const outcome = outcomes[asked++]
        if (outcome === undefined) enough.resolve()
        if (outcome === 'off') throw new FlameshError('hub-unreachable', 'the hub cannot be reached')
        return { statements: [], checkpoint: new Uint8Array() }
      },
      async publishPeerRecord(bytes) {
        published.push(bytes)
        return true
      },
      peers: async () => [],
      fetchCheckpoint: async () => new Uint8Array(),
      enrol: async () => {
        throw new Error('a follower enrols nobody')
      },
    },
    peer: {
      roster: () => ({ size: 3, members: new Map(), committees: new Map(), attestations: [] }) as never,
      learnLog: async () => {
        const outcome = outcomes[asked - 1]
        return outcome === undefined || outcome === 'off' ? { outcome: 'current', size: 3 } : outcome
      },
    },
    host: { peerRecord: () => record, learn: () => 0 },
    onLog: () => logs++,
    log: (level, event, fields) => events.push([level, event, fields?.['code'] ?? ''].join(' ').trim()),
  })
  await enough.promise
  await follower.stop()
  return { events, published, logs, status: follower.status() }
}

describe('following the hub', () => {
  it('says once that the hub is off, once that it is back, and every piece of news', async () => {
    const { events, logs, published, status } = await follow([
      'off',
      'off',
      { outcome: 'extended', size: 4 },
      { outcome: 'current', size: 4 },
      'off',
    ])
    assert.deepEqual(events, [
      'warn hub-problem hub-unreachable',
      'info log-extended',
      'info hub-reachable',
      'warn hub-problem hub-unreachable',
      'info hub-reachable',
    ])
    assert.equal(logs, 1)
    assert.equal(published.length, 1)
    assert.equal(status.reachable, true)
  })

  it('raises an alarm, once, for a log that cannot be', async () => {
    const fork: LogOutcome = { outcome: 'refused', code: 'log-fork', message: 'two logs' }
    const { events, logs } = await follow([fork, fork])
    assert.deepEqual(events, ['error hub-log-refused log-fork', 'info hub-reachable'])
    assert.equal(logs, 0)
  })
})

describe('the real clock', () => {
  it('does not fire a timer of many days at once', async () => {
    let fired = false
    const timer = realClock.setTimer(realClock.now() + 60 * 24 * 3_600_000, () => {
      fired = true
    })
    await new Promise<void>((resolve) => realClock.setTimer(realClock.now() + 20, resolve))
    timer.cancel()
    assert.equal(fired, false)
  })

  it('fires what is past as soon as it can', async () => {
    await new Promise<void>((resolve) => realClock.setTimer(realClock.now() - 1000, resolve))
  })
})
