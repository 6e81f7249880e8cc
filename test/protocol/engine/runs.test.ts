/** What the engine does with the runner: who is answered, what is cancelled, and that nothing runs twice. */
import assert from 'node:assert/strict'
import { Runs } from '@flamesh/protocol/engine/runs.js'
import type { ContributeOutcome, Run } from '@flamesh/protocol/ports.js'

const VALUES: ContributeOutcome = { ok: true, values: Float64Array.of(1) }
const asking = (tag: string, type: 'contribute' | 'reduce' = 'contribute') =>
  ({ type, tag, request: {} }) as unknown as Parameters<Runs['begin']>[1]

function setUp() {
  const begun: { cancelled: number; readonly end: (outcome: ContributeOutcome) => void; readonly fail: () => void }[] =
    []
  const begin = (): Run => {
    let one: (typeof begun)[number] | undefined
    const outcome = new Promise<ContributeOutcome>((resolve, reject) => {
      one = { cancelled: 0, end: resolve, fail: () => reject(new Error('no runner')) }
      begun.push(one)
    })
    return {
      outcome,
      cancel() {
        if (one !== undefined) one.cancelled++
      },
    }
  }
  const runs = new Runs({ contribute: begin, reduce: begin })
  const answers: unknown[] = []
  const ask = (machine: string, effect: Parameters<Runs['begin']>[1]): void =>
    runs.begin(machine, effect, (event) => answers.push(event))
  return { runs, begun, answers, ask, settled: () => new Promise(setImmediate) }
}

describe('the runs of an engine', () => {
  it('are answered once each, a failure of the runner too', async () => {
    const { begun, answers, ask, settled } = setUp()
    ask('job/site', asking('1.0'))
    ask('job/member', asking('1.0', 'reduce'))
    begun[0]?.end(VALUES)
    begun[1]?.fail()
    await settled()
    const message = 'the analysis did not run'
    assert.deepEqual(answers, [
      { type: 'contributed', tag: '1.0', outcome: VALUES },
      { type: 'reduced', tag: '1.0', outcome: { ok: false, code: 'analysis-failed', message } },
    ])
  })

  it('are not begun twice while they are under way, and anew afterwards', async () => {
    const { begun, ask, settled } = setUp()
    ask('job/site', asking('1.0'))
    ask('job/site', asking('1.0'))
    assert.equal(begun.length, 1)
    begun[0]?.end(VALUES)
    await settled()
    ask('job/site', asking('1.0'))
    assert.equal(begun.length, 2)
  })

  it('that a machine does not wait for are cancelled, and what they still say is told to nobody', async () => {
    const { runs, begun, answers, ask, settled } = setUp()
    ask('job/site', asking('1.0'))
    ask('job/site', asking('1.1'))
    ask('other/site', asking('1.0'))
    runs.keep('job/site', (tag) => tag === '1.1')
    runs.keep('job/site', (tag) => tag === '1.1')
    assert.deepEqual(
      begun.map((one) => one.cancelled),
      [1, 0, 0],
    )
    // the same again is another run
    ask('job/site', asking('1.0'))
    for (const one of begun.slice(0, 3)) one.end(VALUES)
    await settled()
    assert.deepEqual(answers, [
      { type: 'contributed', tag: '1.1', outcome: VALUES },
      { type: 'contributed', tag: '1.0', outcome: VALUES },
    ])
    assert.deepEqual(
      begun.map((one) => one.cancelled),
      [1, 0, 0, 0],
    )
  })

  it('end with the node', async () => {
    const { runs, begun, answers, ask, settled } = setUp()
    ask('job/site', asking('1.0'))
    ask('other/member', asking('2.1', 'reduce'))
    runs.stop()
    for (const one of begun) one.end(VALUES)
    await settled()
    assert.deepEqual([begun.map((one) => one.cancelled), answers], [[1, 1], []])
  })
})
