/** Until when a node keeps the key that a job's states are sealed under: as long as one of its roles needs them, absent seats apart. */
import assert from 'node:assert/strict'
import type { Signed } from '@flamesh/protocol/encoding/signed.js'
import { type JobRoles, keepsStates } from '@flamesh/protocol/engine/roles.js'
import { newSite } from '@flamesh/protocol/jobs/site/state.js'
import type { JobStatus } from '@flamesh/protocol/jobs/status.js'
import { newMember } from '@flamesh/protocol/secagg/member/state.js'

const signed = {} as Signed
const bytes = Uint8Array.of(1)

const siteThatIs = (status: JobStatus): JobRoles['site'] => ({
  ...newSite(signed),
  status: { status, code: '', message: '' },
})

function memberWith(held: 'nothing' | 'a state' | 'the next state'): JobRoles['member'] {
  const member = newMember(signed)
  const previous = { opened: signed, commitment: '', kept: bytes }
  if (held === 'a state') return { ...member, progress: { ...member.progress, previous } }
  return held === 'nothing' ? member : { ...member, nextState: bytes }
}

const keeps = (site: JobRoles['site'], member: JobRoles['member']): boolean =>
  keepsStates({ signed, site, member, station: undefined, request: undefined })

describe('the key of a job’s states', () => {
  it('is kept while the site answers rounds or the member holds a state', () => {
    for (const status of ['preparing', 'submitted'] as const) assert.ok(keeps(siteThatIs(status), undefined), status)
    for (const held of ['a state', 'the next state'] as const)
      assert.ok(keeps(siteThatIs('failed'), memberWith(held)), held)
  })

  it('is erased when neither does, also where a seat is absent and its member never ends the job', () => {
    for (const status of ['refused', 'released', 'suppressed', 'failed', 'expired', 'cancelled'] as const)
      assert.ok(!keeps(siteThatIs(status), memberWith('nothing')), status)
    assert.ok(!keeps(undefined, undefined))
  })
})
