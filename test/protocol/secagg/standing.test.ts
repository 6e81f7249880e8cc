/** What q standings settle, and what a member may say of itself: docs/spec/secure-aggregation.md, "Rounds without an outcome". */
import assert from 'node:assert/strict'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import { type Profile, profileOf } from '@flamesh/protocol/secagg/committee.js'
import { valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import { resolve, STANDING, type StandingFacts, takeStand } from '@flamesh/protocol/secagg/standing.js'
import {
  abandon,
  admissible,
  FOUR,
  fakeSigner,
  fresh,
  keyOf,
  Member,
  message,
  prevotes,
  start,
  V,
} from './consensus-harness.js'

const profile = profileOf(4) as Profile
const at = (seat: number, attempt: number, ...sites: readonly string[]): StandingFacts => ({
  place: { round: 1, attempt },
  signers: [keyOf(seat)],
  survivors: sites.length === 0 ? undefined : sites,
})

describe('standings', () => {
  it('of fewer than q members settle nothing', () => {
    assert.equal(resolve(profile, []), undefined)
    assert.equal(resolve(profile, [at(0, 0), at(1, 0)]), undefined)
    assert.equal(resolve(profile, [at(0, 0), at(1, 0), at(1, 0, 'x')]), undefined)
  })

  it('of q members settle every attempt at which they stand or that none of them has begun', () => {
    assert.deepEqual(resolve(profile, [at(0, 0), at(1, 0), at(2, 0)]), { from: { round: 1, attempt: 0 }, sets: [] })
    assert.deepEqual(resolve(profile, [at(0, 0), at(1, 2), at(2, 1)]), { from: { round: 1, attempt: 2 }, sets: [] })
    const four = resolve(profile, [at(0, 0), at(1, 2), at(2, 1), at(3, 1)])
    assert.deepEqual(four?.from, { round: 1, attempt: 1 })
  })

  it('count for less where a member stands twice', () => {
    const found = resolve(profile, [at(0, 0), at(1, 0), at(2, 0), at(2, 3)])
    assert.deepEqual(found?.from, { round: 1, attempt: 3 })
  })

  it('name sets, and those of attempts that are settled count', () => {
    const found = resolve(profile, [at(0, 0, 'a', 'b'), at(1, 1, 'c'), at(2, 1), at(3, 1)])
    assert.deepEqual(found?.sets, [['c']])
  })
})

const instance = { job: 'cd'.repeat(32), round: 1, attempt: 0 }
const stand = (member: Member) => takeStand(instance, member.state, undefined, fakeSigner(0))
const said = (member: Member) => {
  const found = stand(member)
  return found && STANDING.schema.parse(decode(found.standing.payload))
}

describe('a member that closes a job', () => {
  it('names nothing if it precommitted no value, whatever it prevoted', () => {
    const member = new Member(FOUR, 0).apply(start, fresh(0), admissible(0))
    assert.equal(member.voted('prevote', 0), V)
    assert.deepEqual(said(member), { ...instance, view: -1, value: null })
    assert.equal(takeStand(instance, undefined, undefined, fakeSigner(0))?.proof, null)
  })

  it('says nothing if it cannot show the specification of the set it precommitted', () => {
    const member = new Member(FOUR, 0).apply(start, fresh(0), admissible(0), message({ ballots: prevotes(0, V, 1, 2) }))
    assert.equal(member.voted('precommit', 0), V)
    assert.equal(stand(member), undefined)
  })

  it('names the last quorum of prevotes, with these votes', () => {
    const member = new Member(FOUR, 0).apply(
      start,
      fresh(0, abandon),
      admissible(0),
      message({ ballots: prevotes(0, valueId(abandon), 1, 2) }),
    )
    const found = stand(member)
    assert.deepEqual(found?.proof?.value, abandon)
    assert.equal(found?.proof?.votes.signatures.length, 3)
    assert.equal(said(member)?.view, 0)
  })

  it('says nothing if it was shown a vote that it has forgotten', () => {
    const member = new Member(FOUR, 0).apply(start, message({ ballots: prevotes(0, V, 0) }))
    assert.equal(stand(member), undefined)
  })
})
