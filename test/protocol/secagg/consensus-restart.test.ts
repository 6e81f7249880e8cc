import assert from 'node:assert/strict'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { type ConsensusState, standing } from '@flamesh/protocol/secagg/consensus.js'
import {
  admissible,
  FOUR,
  fresh,
  keyOf,
  Member,
  message,
  precommits,
  prevotes,
  start,
  timeout,
  V,
  v,
  W,
  w,
} from './consensus-harness.js'

describe('consensus, contradictions and restarts', () => {
  it('names a member that votes twice, once, with both votes', () => {
    const member = new Member(FOUR, 0).apply(start, message({ ballots: prevotes(0, V, 3) }))
    assert.deepEqual(member.all('evidence'), [])
    member.apply(message({ ballots: prevotes(0, W, 3) }))
    const [found] = member.all('evidence')
    assert.equal(found?.evidence.against, keyOf(3))
    const bodies = [found!.evidence.first, found!.evidence.second].map(
      ({ payload }) => decode(payload) as { value: string },
    )
    assert.deepEqual(
      bodies.map(({ value }) => value),
      [V, W],
    )
    assert.deepEqual(member.apply(message({ ballots: prevotes(0, null, 3) })).all('evidence'), [])
  })

  it('names a proposer with two proposals and keeps to the first', () => {
    const member = new Member(FOUR, 0).apply(start, fresh(0, v), fresh(0, w))
    assert.deepEqual(
      member.all('evidence').map(({ evidence }) => evidence.against),
      [keyOf(1)],
    )
    assert.equal(member.apply(admissible(0)).voted('prevote', 0), V)
    assert.deepEqual(new Member(FOUR, 0).apply(start, fresh(0), fresh(0)).all('evidence'), [])
  })

  it('counts a liar where a quorum needs its vote, and only there', () => {
    const member = new Member(FOUR, 0).apply(start, timeout(0, 'propose'), message({ ballots: prevotes(0, W, 3) }))
    member.apply(
      message({ ballots: prevotes(0, V, 1, 3, 3), value: v }),
      message({ ballots: prevotes(0, V, 2), value: v }),
    )
    assert.equal(member.voted('precommit', 0), undefined, 'its first vote stands')
    assert.equal(member.apply(message({ ballots: prevotes(0, V, 1, 2, 3), value: v })).voted('precommit', 0), V)
  })

  it('is plain data: a member decoded from disk goes on like the one that never stopped', () => {
    const events = [
      start,
      fresh(0),
      admissible(0),
      message({ ballots: prevotes(0, V, 1, 2) }),
      message({ ballots: precommits(0, V, 1, 2) }),
    ]
    const steady = new Member(FOUR, 0)
    const restarted = new Member(FOUR, 0)
    for (const event of events) {
      steady.apply(event)
      restarted.apply(event)
      restarted.state = decode(encode(restarted.state)) as ConsensusState
      assert.deepEqual(encode(restarted.state), encode(steady.state))
    }
    assert.equal(restarted.state.step, 'decided')
  })

  it('after a restart says its standing again, sets its timers, asks its question and votes nothing new', () => {
    const member = new Member(FOUR, 0).apply(
      start,
      timeout(0, 'propose'),
      message({ ballots: [...prevotes(0, V, 1), ...prevotes(0, W, 2)] }),
    )
    const sent = standing(member.state)
    const before = member.state.ballots
    member.apply({ type: 'resume' })
    assert.deepEqual(member.state.ballots, before)
    assert.deepEqual(
      member.all('broadcast').map(({ message: again }) => again),
      [sent],
    )
    assert.deepEqual(
      member.all('set-timer').map(({ phase }) => phase),
      ['prevote'],
    )
    const judge = new Member(FOUR, 0).apply(start, fresh(0), { type: 'resume' })
    assert.deepEqual(
      judge.effects.map(({ type }) => type),
      ['set-timer', 'broadcast', 'need-verdict'],
    )
    const proposer = new Member(FOUR, 1).apply(start, { type: 'resume' })
    assert.equal(proposer.all('need-value').length, 1)
    const decided = new Member(FOUR, 0).apply(message({ ballots: precommits(0, V, 1, 2, 3), value: v }), {
      type: 'resume',
    })
    assert.deepEqual(
      decided.effects.map(({ type }) => type),
      ['broadcast', 'decided'],
    )
  })

  it('a vote in the log stands whatever state it is replayed from', () => {
    const member = new Member(FOUR, 0).apply(start, timeout(0, 'propose'))
    member.state = { ...member.state, step: 'propose' }
    member.apply(fresh(0), admissible(0))
    assert.equal(member.voted('prevote', 0), null)
    assert.equal(member.state.ballots.filter(({ seat }) => seat === 0).length, 1)
  })

  it('abstains once a peer shows an own vote or proposal its log does not hold, and still learns the decision', () => {
    const restored = new Member(FOUR, 0).apply(start, message({ ballots: prevotes(0, V, 0) }))
    assert.deepEqual(restored.all('abstaining'), [{ type: 'abstaining' }])
    restored.apply(fresh(0), admissible(0), timeout(0, 'propose'), { type: 'resume' })
    assert.deepEqual(restored.all('broadcast'), [])
    assert.equal(
      restored.state.ballots.filter(({ seat, phase, value }) => seat === 0 && (phase !== 'prevote' || value !== V))
        .length,
      0,
    )
    restored.apply(message({ ballots: precommits(2, V, 0, 1, 2), value: v }))
    assert.deepEqual(restored.state.certificate?.value, v)
    const proposer = new Member(FOUR, 1).apply(start, message({ proposal: { view: 0, value: v, seat: 1 } }))
    assert.equal(proposer.all('abstaining').length, 1)
    assert.deepEqual(proposer.apply({ type: 'value', view: 0, value: w, attachments: [] }).all('broadcast'), [])
  })

  it('does not take its own old votes, which it has dropped, for those of a later self', () => {
    const member = new Member(FOUR, 0).apply(
      start,
      timeout(0, 'propose'),
      message({ ballots: prevotes(5, null, 1, 2) }),
    )
    assert.equal(
      member.state.ballots.some(({ view }) => view === 0),
      false,
    )
    member.apply(message({ ballots: prevotes(0, null, 0, 1, 2) }))
    assert.equal(member.state.abstaining, false)
  })

  it('keeps a bounded log whatever a liar sends', () => {
    const member = new Member(FOUR, 0).apply(start)
    const sizes: number[] = []
    for (let view = 1; view <= 1200; view++) {
      member.apply(message({ ballots: [...prevotes(view, V, 3), ...precommits(view, W, 3)] }))
      if (view % 4 === 2) member.apply(message({ proposal: { view, value: v, seat: 3 } }))
      if (view % 400 === 0) sizes.push(encode(member.state).length)
    }
    assert.equal(member.state.view, 0)
    assert.ok(
      member.state.ballots.some(({ view }) => view === 1200),
      'its highest view is remembered',
    )
    assert.ok(Math.max(...sizes) - Math.min(...sizes) < 100, `${sizes}`)
  })
})
