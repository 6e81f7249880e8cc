/**
 * The main job over real processes on loopback, with the built commands: whoever is killed, whatever is off, each job ends
 * with the right result or the right named refusal, every process lives, and nothing is submitted or opened twice.
 */
import assert from 'node:assert/strict'
import { Federation } from './federation.js'
import { absences } from './scenarios/absences.js'
import { backups } from './scenarios/backups.js'
import { clocks } from './scenarios/clocks.js'
import { disks } from './scenarios/disks.js'
import { ledgers } from './scenarios/ledger.js'
import { membersThatDie } from './scenarios/members.js'
import { receipts } from './scenarios/receipts.js'
import { refusals } from './scenarios/refusals.js'
import { revocations } from './scenarios/revocations.js'
import { sitesThatDie } from './scenarios/sites.js'
import { versions } from './scenarios/versions.js'

/** What a node does once in each attempt of each round; partial sums for one survivor set may be sent again after a kill. */
const ONCE = ['job-approved', 'job-refused', 'submitted', 'round-closed', 'opened']

describe('the main job, end to end', function () {
  this.timeout(240_000)
  let shared: Federation | undefined
  const federation = (): Federation => {
    assert.ok(shared, 'there is a federation')
    return shared
  }

  before(async () => {
    shared = await Federation.create()
  })
  afterEach(async () => {
    const crashed = federation().nodes.filter((node) => node.crashed)
    await federation().heal()
    assert.deepEqual(
      crashed.map(({ name, log }) => [name, log.slice(-3)]),
      [],
    )
  })
  after(() => shared?.close())

  versions(federation)
  sitesThatDie(federation)
  membersThatDie(federation)
  absences(federation)
  refusals(federation)
  receipts(federation)
  ledgers(federation)
  clocks(federation)
  disks(federation)
  backups(federation)
  revocations(federation)

  it('nobody ever said the same twice, and no daemon met an error of its own', async () => {
    for (const node of federation().nodes) {
      assert.deepEqual(
        node.log.filter(({ event, level }) => event === 'internal-error' || level === 'fatal'),
        [],
      )
      const said = node.audit().filter(({ event }) => ONCE.includes(event))
      const names = said.map(({ event, fields }) =>
        [event, fields['job'], fields['round'], fields['attempt']].join(' '),
      )
      assert.deepEqual(
        names.filter((name, at) => names.indexOf(name) !== at),
        [],
        node.name,
      )
      const { entries } = await node.document<{ entries: number }>('audit', 'verify')
      assert.ok(entries >= said.length)
    }
  })
})
