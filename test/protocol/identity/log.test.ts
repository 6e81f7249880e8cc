import assert from 'node:assert/strict'
import { type Hex, hexToBytes } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { signCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import {
  checkpointAge,
  emptyLog,
  extendLog,
  type LogState,
  openProvenStatement,
} from '@flamesh/protocol/identity/log.js'
import { EMPTY_ROOT, inclusionProof, merkleRoot } from '@flamesh/protocol/identity/merkle.js'
import { memberByName } from '@flamesh/protocol/identity/roster.js'
import { MAX_STATEMENT_BYTES } from '@flamesh/protocol/limits.js'
import fc from 'fast-check'
import { readVectors } from '../../vectors/read.js'
import { checkpointOver, committee, enrol, hub, leavesOf, START_MS, signAll, signer } from './fixtures.js'

interface LogVector {
  readonly what: string
  readonly statements: readonly string[]
  readonly checkpoint: string
  readonly outcome: string
  readonly code?: string
}

const statements = signAll([
  ...['a', 'b', 'c', 'd'].map((name) => enrol(name)),
  committee('one', ['a', 'b', 'c'], ['lung']),
])
const until = (size: number) => statements.slice(0, size)

function known(size: number, timestamp = START_MS): LogState {
  const extended = extendLog(emptyLog, until(size), checkpointOver(until(size), hub, timestamp), hub.publicKey)
  assert.notEqual(extended.outcome, 'refused')
  return (extended as { state: LogState }).state
}

function extend(state: LogState, given: readonly Uint8Array[], checkpoint: Uint8Array, key: Hex = hub.publicKey) {
  const extended = extendLog(state, given, checkpoint, key)
  return extended.outcome === 'refused' ? extended.code : extended.outcome
}

describe('following the log', () => {
  it('agrees with the vectors', () => {
    const { hubKey, logs } = readVectors<{ hubKey: Hex; logs: LogVector[] }>('log')
    for (const { what, statements: given, checkpoint, outcome, code } of logs) {
      const got = extendLog(emptyLog, given.map(hexToBytes), hexToBytes(checkpoint), hubKey)
      assert.equal(got.outcome, outcome, what)
      if (code !== undefined) assert.equal((got as { code?: string }).code, code, what)
    }
  })

  it('comes to the same state in one step or in many', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 4 })), (stops) => {
        let state = emptyLog
        for (const size of [...stops.sort(), 5]) {
          const extended = extendLog(
            state,
            until(size).slice(state.leaves.length),
            checkpointOver(until(size)),
            hub.publicKey,
          )
          assert.notEqual(extended.outcome, 'refused')
          state = (extended as { state: LogState }).state
        }
        assert.deepEqual(state, known(5))
      }),
    )
  })

  it('takes no statement or checkpoint with one byte changed', () => {
    fc.assert(
      fc.property(fc.nat(5), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, at, change) => {
        const parts = [...until(5), checkpointOver(until(5))].map((bytes) => bytes.slice())
        const part = parts[which]!
        part[at % part.length]! ^= change
        const extended = extendLog(emptyLog, parts.slice(0, 5), parts[5]!, hub.publicKey)
        assert.equal(extended.outcome, 'refused')
      }),
    )
  })

  it('skips statements it has and those the checkpoint does not cover', () => {
    const extended = extendLog(known(2), statements, checkpointOver(until(4)), hub.publicKey)
    assert.equal(extended.outcome, 'extended')
    assert.deepEqual((extended as { state: LogState }).state, known(4))
  })

  it('asks for statements that are missing', () => {
    assert.equal(extend(known(1), [statements[2]!, statements[3]!], checkpointOver(until(4))), 'log-incomplete')
    assert.equal(extend(known(1), [], checkpointOver(until(4))), 'log-incomplete')
    assert.equal(extend(emptyLog, [statements[0]!, statements[2]!], checkpointOver(until(3))), 'log-incomplete')
  })

  it('keeps the youngest checkpoint of the size it knows', () => {
    const state = known(3, START_MS + 10)
    const [older, younger] = [START_MS + 5, START_MS + 20].map((at) => checkpointOver(until(3), hub, at))
    const afterOlder = extendLog(state, [], older!, hub.publicKey)
    assert.deepEqual(afterOlder, { outcome: 'current', state, added: [] })
    const afterYounger = extendLog(state, [], younger!, hub.publicKey) as { outcome: string; state: LogState }
    assert.equal(afterYounger.outcome, 'current')
    assert.equal(checkpointAge(afterYounger.state, START_MS + 25), 5)
    assert.equal(checkpointAge(emptyLog, START_MS), Number.POSITIVE_INFINITY)
  })

  it('accepts an older checkpoint only if it is of its own past', () => {
    assert.equal(extend(known(4), [], checkpointOver(until(2))), 'current')
    assert.equal(extend(known(4), [], signCheckpoint(2, merkleRoot(leavesOf(until(3))), START_MS, hub)), 'log-fork')
    assert.equal(extend(known(4), [], signCheckpoint(0, EMPTY_ROOT, START_MS, hub)), 'current')
    assert.equal(extend(emptyLog, [], signCheckpoint(0, merkleRoot(leavesOf(until(1))), START_MS, hub)), 'log-fork')
  })

  it('keeps both checkpoints as evidence of a fork', () => {
    const other = signAll(['a', 'b', 'x'].map((name) => enrol(name)))
    const state = known(3)
    for (const [given, checkpoint] of [
      [[], checkpointOver(other)],
      [[statements[3]!], checkpointOver([...other, statements[3]!])],
    ] as const) {
      const extended = extendLog(state, given, checkpoint, hub.publicKey)
      assert.equal(extended.outcome, 'refused')
      const { code, evidence } = extended as Extract<typeof extended, { outcome: 'refused' }>
      assert.equal(code, 'log-fork')
      assert.deepEqual(evidence, { held: state.checkpoint!.bytes, received: checkpoint, statements: given })
    }
  })

  it('trusts one hub and one log only', () => {
    const other = signer('another hub')
    const theirs = signAll([enrol('a')], other)
    assert.equal(extend(emptyLog, theirs, checkpointOver(theirs, other)), 'signature')
    assert.equal(extend(emptyLog, theirs, checkpointOver(until(1))), 'signature')
    assert.equal(extend(emptyLog, until(1), checkpointOver(until(1)), other.publicKey), 'signature')
    assert.equal(extend(emptyLog, theirs, checkpointOver(theirs, other), other.publicKey), 'extended')
  })

  it('refuses what is no statement or checkpoint', () => {
    assert.equal(extend(emptyLog, [new Uint8Array([0xff])], checkpointOver(until(1))), 'encoding')
    assert.equal(extend(emptyLog, [], new Uint8Array()), 'encoding')
    assert.equal(extend(emptyLog, [statements[0]!], statements[0]!), 'schema')
    assert.equal(extend(emptyLog, [checkpointOver([])], checkpointOver(until(1))), 'schema')
    assert.equal(
      extend(emptyLog, [new Uint8Array(MAX_STATEMENT_BYTES + 1)], checkpointOver(until(1))),
      'statement-too-large',
    )
  })

  it('keeps nothing of an extension that breaks a rule', () => {
    const bad = [...until(3), ...signAll([enrol('e'), enrol('e')], hub, 3)]
    const state = known(3)
    assert.equal(extend(state, bad.slice(3), checkpointOver(bad)), 'log-invalid')
    assert.equal(memberByName(state.roster, 'e'), undefined)
    assert.deepEqual(state, known(3))
  })

  it('proves one statement to somebody who holds the key and nothing else', () => {
    const checkpoint = checkpointOver(statements)
    const proof = inclusionProof(leavesOf(statements), 2, 5)
    const opened = openProvenStatement(statements[2]!, proof, checkpoint, hub.publicKey)
    assert.equal(opened.statement.index, 2)
    assert.equal(opened.checkpoint.size, 5)
    const isCode = (code: string) => (error: unknown) => error instanceof FlameshError && error.code === code
    assert.throws(() => openProvenStatement(statements[1]!, proof, checkpoint, hub.publicKey), isCode('log-proof'))
    assert.throws(
      () => openProvenStatement(statements[2]!, proof, checkpointOver(until(4)), hub.publicKey),
      isCode('log-proof'),
    )
    const foreign = signer('another hub').publicKey
    assert.throws(() => openProvenStatement(statements[2]!, proof, checkpoint, foreign), isCode('signature'))
  })
})
