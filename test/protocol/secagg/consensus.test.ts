import assert from 'node:assert/strict'
import { openQuestion, standing } from '@flamesh/protocol/secagg/consensus.js'
import { valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import {
  abandon,
  admissible,
  believe,
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

/** Seat 0, locked on v in view 0 and moved on to view 1. */
const lockedMember = () =>
  new Member(FOUR, 0).apply(
    start,
    fresh(0),
    admissible(0),
    message({ ballots: prevotes(0, V, 1, 2) }),
    message({ ballots: precommits(0, null, 1, 2) }),
    timeout(0, 'precommit'),
  )

describe('consensus, rule by rule', () => {
  it('asks the proposer for a value, sends the proposal with its prevote, and counts both at once', () => {
    const member = new Member(FOUR, 1).apply(start)
    assert.deepEqual(member.all('need-value'), [{ type: 'need-value', view: 0 }])
    member.apply({ type: 'value', view: 0, value: v, attachments: [Uint8Array.of(7)] })
    assert.equal(member.voted('prevote', 0), V)
    const [sent, ...more] = member.all('broadcast')
    assert.equal(more.length, 0)
    const reading = believe(sent!.message)
    assert.deepEqual(reading.proposal?.value, v)
    assert.deepEqual(reading.proposal?.attachments, [Uint8Array.of(7)])
    assert.deepEqual(
      reading.ballots.map(({ phase, value, seat }) => [phase, value, seat]),
      [['prevote', V, 1]],
    )
  })

  it('asks for a verdict on a fresh proposal and prevotes as the verdict says (line 22)', () => {
    const asked = new Member(FOUR, 0).apply(start, fresh(0))
    assert.equal(asked.voted('prevote', 0), undefined)
    assert.deepEqual(
      asked.all('need-verdict').map(({ view, value }) => [view, value]),
      [[0, v]],
    )
    assert.equal(new Member(FOUR, 0).apply(start, fresh(0), admissible(0)).voted('prevote', 0), V)
    assert.equal(new Member(FOUR, 0).apply(start, fresh(0), admissible(0, false)).voted('prevote', 0), null)
  })

  it('ignores answers to questions it does not ask', () => {
    const member = new Member(FOUR, 0).apply(
      start,
      { type: 'value', view: 0, value: w, attachments: [] },
      admissible(0),
    )
    assert.equal(openQuestion(member.state), null)
    assert.equal(member.apply(fresh(0)).voted('prevote', 0), undefined)
    assert.equal(member.apply(admissible(1)).voted('prevote', 0), undefined)
  })

  it('prevotes nil when no proposal comes in time (line 57), or none could be judged', () => {
    assert.equal(new Member(FOUR, 0).apply(start, timeout(0, 'propose')).voted('prevote', 0), null)
    assert.equal(new Member(FOUR, 0).apply(start, fresh(0), timeout(0, 'propose')).voted('prevote', 0), null)
  })

  it('locks and precommits on q prevotes, never on fewer (line 36)', () => {
    const member = new Member(FOUR, 0).apply(start, fresh(0), admissible(0), message({ ballots: prevotes(0, V, 1) }))
    assert.equal(member.voted('precommit', 0), undefined)
    member.apply(message({ ballots: prevotes(0, V, 1) }))
    assert.equal(member.voted('precommit', 0), undefined, 'the same vote twice')
    member.apply(message({ ballots: prevotes(0, V, 3) }))
    assert.equal(member.voted('precommit', 0), V)
    assert.deepEqual(member.state.locked, { view: 0, id: V })
    assert.deepEqual(member.state.valid, { view: 0, id: V, value: v })
  })

  it('does not lock on votes for a value it has not seen', () => {
    const member = new Member(FOUR, 0).apply(
      start,
      timeout(0, 'propose'),
      message({ ballots: prevotes(0, V, 1, 2, 3) }),
    )
    assert.equal(member.voted('precommit', 0), undefined)
    member.apply(message({ value: v }))
    assert.equal(member.voted('precommit', 0), V)
  })

  it('precommits nil on q nil prevotes (line 44)', () => {
    const member = new Member(FOUR, 0).apply(
      start,
      timeout(0, 'propose'),
      message({ ballots: prevotes(0, null, 2, 3) }),
    )
    assert.equal(member.voted('precommit', 0), null)
    assert.equal(member.state.locked, null)
  })

  it('waits for split prevotes only so long (lines 34 and 61)', () => {
    const member = new Member(FOUR, 0).apply(start, timeout(0, 'propose'), timeout(0, 'prevote'))
    assert.equal(member.voted('precommit', 0), undefined, 'no timer was set')
    member.apply(message({ ballots: [...prevotes(0, V, 1), ...prevotes(0, W, 2)] }))
    assert.deepEqual(
      member.all('set-timer').map(({ view, phase }) => [view, phase]),
      [[0, 'prevote']],
    )
    member.apply(message({ ballots: prevotes(0, W, 3) }))
    assert.deepEqual(member.all('set-timer'), [], 'set once')
    assert.equal(member.apply(timeout(0, 'prevote')).voted('precommit', 0), null)
  })

  it('enters the next view after q precommits without a decision (lines 47 and 65)', () => {
    const member = new Member(FOUR, 0).apply(start, timeout(0, 'precommit'))
    assert.equal(member.state.view, 0, 'no timer was set')
    member.apply(message({ ballots: [...precommits(0, V, 1), ...precommits(0, null, 2, 3)] }))
    assert.deepEqual(
      member.all('set-timer').map(({ view, phase }) => [view, phase]),
      [[0, 'precommit']],
    )
    member.apply(timeout(0, 'precommit'))
    assert.equal(member.state.view, 1)
    const [timer] = member.all('set-timer')
    assert.deepEqual(timer, { type: 'set-timer', view: 1, phase: 'propose', delayMs: 30 }, 'later views wait longer')
    assert.equal(member.apply(timeout(0, 'precommit')).state.view, 1, 'an old timer')
  })

  it('skips to a view that t+1 others have reached, not to one that t claim (line 55)', () => {
    const member = new Member(FOUR, 0).apply(start, message({ ballots: prevotes(9, null, 3) }))
    assert.equal(member.state.view, 0)
    member.apply(message({ ballots: prevotes(8, null, 3) }))
    assert.equal(member.state.view, 0, 'one seat in two views is one seat')
    member.apply(message({ ballots: prevotes(5, null, 2) }))
    assert.equal(member.state.view, 5)
    const seven = new Member({ seats: 7 }, 0).apply(start, message({ ballots: prevotes(4, null, 5, 6) }))
    assert.equal(seven.state.view, 0)
    assert.equal(seven.apply(message({ ballots: prevotes(3, null, 4) })).state.view, 3)
  })

  it('joins when t+1 others have started', () => {
    const member = new Member(FOUR, 0).apply(message({ ballots: prevotes(0, null, 1) }))
    assert.equal(member.state.step, 'idle')
    assert.equal(member.apply(message({ ballots: prevotes(0, null, 2) })).state.view, 0)
  })

  it('a lock refuses other fresh values and agrees to the same one (line 22)', () => {
    assert.equal(lockedMember().apply(fresh(1, w), admissible(1)).voted('prevote', 1), null)
    assert.deepEqual(lockedMember().apply(fresh(1, w)).all('need-verdict'), [], 'nothing to ask')
    assert.equal(lockedMember().apply(fresh(1, v), admissible(1)).voted('prevote', 1), V)
  })

  it('a re-proposal counts by its prevotes alone, and opens a lock that is not newer (line 28)', () => {
    const again = (validView: number, value = w, ballots = prevotes(validView, valueId(value), 1, 2, 3)) =>
      message({ proposal: { view: 2, validView, value, seat: 3 }, ballots })
    const at2 = () => lockedMember().apply(message({ ballots: prevotes(2, null, 1, 2) }))
    assert.equal(at2().apply(again(1)).voted('prevote', 2), W)
    assert.equal(at2().apply(again(1)).all('need-verdict').length, 0)
    assert.equal(
      at2()
        .apply(again(1, w, prevotes(1, W, 1, 2)))
        .voted('prevote', 2),
      undefined,
      'q−1 prevotes',
    )
    assert.equal(
      at2()
        .apply(again(1, w, prevotes(1, V, 1, 2, 3)))
        .voted('prevote', 2),
      undefined,
      'for another value',
    )
    assert.equal(
      at2()
        .apply(again(1, w, prevotes(0, W, 1, 2, 3)))
        .voted('prevote', 2),
      undefined,
      'of another view',
    )
    const lockedLater = () => {
      const member = new Member(FOUR, 0).apply(start, message({ ballots: prevotes(1, V, 2, 3) }))
      member.apply(timeout(1, 'propose'), message({ ballots: prevotes(1, V, 1), value: v }))
      return member.apply(message({ ballots: precommits(1, null, 1, 2, 3) }), timeout(1, 'precommit'))
    }
    assert.deepEqual(lockedLater().state.locked, { view: 1, id: V })
    assert.equal(lockedLater().apply(again(0)).voted('prevote', 2), null, 'the lock is newer')
  })

  it('a proposer bound by prevotes it has seen proposes that value with them', () => {
    const late = message({ ballots: prevotes(1, V, 0, 1, 2), value: v })
    const member = new Member(FOUR, 3).apply(start, message({ ballots: prevotes(2, null, 1, 2) }))
    assert.deepEqual(member.effects.filter(({ type }) => type === 'need-value').length, 1)
    member.apply(late)
    assert.equal(member.voted('prevote', 2), V)
    const reading = believe(member.all('broadcast')[0]!.message)
    assert.deepEqual([reading.proposal?.validView, reading.proposal?.value], [1, v])
    const proof = reading.ballots.filter(({ view, phase, value }) => view === 1 && phase === 'prevote' && value === V)
    assert.deepEqual(
      proof.map(({ seat }) => seat),
      [0, 1, 2],
    )
  })

  it('decides on q precommits of any view and says so with the certificate (line 49)', () => {
    const member = new Member(FOUR, 0).apply(start, fresh(0), message({ ballots: precommits(0, V, 1, 2) }))
    assert.equal(member.state.certificate, null)
    member.apply(message({ ballots: precommits(0, V, 3) }))
    assert.equal(member.state.step, 'decided')
    const [decided] = member.all('decided')
    assert.deepEqual(decided?.certificate.value, v)
    assert.deepEqual(
      decided?.certificate.precommits.signatures.map(({ signer }) => signer),
      [1, 2, 3].map(keyOf),
    )
    assert.deepEqual(member.all('broadcast')[0]?.message.votes, [decided?.certificate.precommits])
    const other = new Member(FOUR, 2).apply(message({ ballots: precommits(7, W, 0, 1, 3), value: w }))
    assert.equal(other.state.step, 'decided', 'without having started')
  })

  it('answers whoever still votes with the certificate, and nobody else', () => {
    const certificate = message({ ballots: precommits(0, V, 1, 2, 3), value: v })
    const member = new Member(FOUR, 0).apply(start, certificate)
    member.apply(message({ from: 2, ballots: prevotes(4, null, 2) }))
    assert.deepEqual(
      member.all('send').map(({ seat, message: sent }) => [seat, sent]),
      [[2, standing(member.state)]],
    )
    assert.deepEqual(member.apply(certificate, timeout(0, 'propose'), start).effects, [])
    assert.equal(member.voted('prevote', 0), undefined)
  })

  it('raises the alarm when another value has a certificate too', () => {
    const member = new Member(FOUR, 0).apply(message({ ballots: precommits(0, V, 1, 2, 3), value: v }))
    member.apply(message({ ballots: precommits(1, W, 1, 2, 3), value: w }))
    assert.deepEqual(
      member.all('conflict').map(({ certificates }) => certificates.map(({ value }) => value)),
      [[v, w]],
    )
  })

  it('agrees on ABANDON like on any value', () => {
    const member = new Member(FOUR, 0).apply(start, fresh(0, abandon), admissible(0))
    member.apply(
      message({ ballots: [...prevotes(0, valueId(abandon), 1, 2), ...precommits(0, valueId(abandon), 1, 2)] }),
    )
    assert.deepEqual(member.all('decided')[0]?.certificate.value, abandon)
  })

  it('takes q of all seats, absent ones included', () => {
    const member = new Member({ seats: 4, absent: [3] }, 0).apply(start)
    member.apply(
      message({ proposal: { view: 0, value: v, seat: 1 } }),
      admissible(0),
      message({ ballots: prevotes(0, V, 1) }),
    )
    assert.equal(member.voted('precommit', 0), undefined)
    assert.equal(member.apply(message({ ballots: prevotes(0, V, 2) })).voted('precommit', 0), V)
  })
})
