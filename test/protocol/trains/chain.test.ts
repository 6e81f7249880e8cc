/** A chain of hops, and every way to break one that is signed by those who may sign it. */
import assert from 'node:assert/strict'
import { bytesToHex, type Hex } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { payloadHash, type Signed, type Signer, signObject } from '@flamesh/protocol/encoding/signed.js'
import { errorCode } from '@flamesh/protocol/errors.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { DECISION } from '@flamesh/protocol/jobs/messages.js'
import { checkChain, isConfirmed } from '@flamesh/protocol/trains/chain.js'
import { CONFIRMATION, HOP, type Hop } from '@flamesh/protocol/trains/messages.js'
import { compile, keyOf } from '../jobs/support.js'

const JOB_ID = keyOf('job')
const signers: readonly Signer[] = Array.from({ length: 5 }, (_, at) => {
  const key = ed25519Key(new Uint8Array(32).fill(at + 1))
  return { publicKey: bytesToHex(key.publicKey), sign: (message) => key.sign(message) }
})
const stations = signers.map(({ publicKey }) => publicKey)

const jobOf = (unreachable: 'skip' | 'wait', minimum = 3): Job => {
  const job = compile({ cohort: { minimum } })
  return { ...job, route: { stations, unreachable, hopWithinMs: 1000 } }
}

function decisionOf(at: number, decision: 'approve' | 'refuse' = 'approve'): Signed {
  const body = {
    job: JOB_ID,
    site: stations[at] as Hex,
    decision,
    code: 'policy',
    message: '',
    policyHash: keyOf('policy'),
    datasetVersion: decision === 'approve' ? keyOf('rows') : null,
    checkpoint: { size: 1, root: keyOf('root') },
    consents: [],
    operators: [],
    decidedAt: 1,
    by: 'policy' as const,
  }
  return signObject(DECISION.kind, DECISION.version, body, signers[at] as Signer)
}

const approvals = stations.map((_, at) => decisionOf(at))
type Change = (hop: Hop) => Partial<Hop>

/** A chain over these positions; every hop is as its station would sign it, but for what `changes` say of some. */
function chainOf(positions: readonly number[], changes: Readonly<Record<number, Change>> = {}, skip = 'unreachable') {
  const hops: Signed[] = []
  for (const [index, at] of positions.entries()) {
    const next = positions[index + 1]
    const before = hops.at(-1)
    const from = index === 0 ? Array.from({ length: at }, (_, position) => position) : []
    const to = next ?? stations.length
    const between = Array.from({ length: to - at - 1 }, (_, one) => at + 1 + one)
    const skipped = [...from, ...between].map((position) => ({ position, code: skip as 'unreachable' }))
    const hop: Hop = {
      job: JOB_ID,
      position: at,
      station: stations[at] as Hex,
      decision: payloadHash(approvals[at] as Signed),
      previous: before === undefined ? null : payloadHash(before),
      failed: null,
      state: keyOf(`state ${at}`),
      skipped,
      next: next === undefined ? null : (stations[next] as Hex),
      arrival: next === undefined ? { outcome: 'result', code: 'released', commitment: keyOf('result') } : null,
    }
    const body = { ...hop, ...changes[at]?.(hop) }
    hops.push(signObject(HOP.kind, HOP.version, body, signers[at] as Signer))
  }
  return hops
}

function verdict(hops: readonly Signed[], job = jobOf('skip'), decisions: readonly Signed[] = approvals): string {
  try {
    return checkChain({ hops, decisions }, JOB_ID, job)
      .contributors.map((key) => stations.indexOf(key))
      .join(' ')
  } catch (error) {
    return errorCode(error)
  }
}

const ALL = [0, 1, 2, 3, 4]

describe('a chain of hops', () => {
  it('says whose rows are on the train', () => {
    assert.equal(verdict(chainOf(ALL)), '0 1 2 3 4')
    assert.equal(verdict(chainOf([1, 2, 4])), '1 2 4')
    assert.equal(verdict(chainOf(ALL, { 2: () => ({ failed: 'out-of-memory' }) })), '0 1 3 4')
    assert.equal(verdict(chainOf(ALL).slice(0, 3)), '0 1 2')
  })

  it('is of one job, in order, without a gap', () => {
    const good = chainOf(ALL)
    assert.equal(verdict([]), 'chain')
    assert.equal(verdict(good.toSpliced(1, 1)), 'chain')
    assert.equal(verdict(good.toReversed()), 'chain')
    assert.equal(verdict([...good, good[4] as Signed]), 'chain')
    for (const change of [
      () => ({ job: keyOf('another') }),
      () => ({ position: 1 }),
      () => ({ station: stations[3] as Hex }),
      () => ({ previous: keyOf('another') }),
      () => ({ previous: null }),
      () => ({ decision: payloadHash(approvals[3] as Signed) }),
      () => ({ decision: keyOf('none') }),
      () => ({ next: stations[4] as Hex }),
      () => ({ next: stations[0] as Hex }),
      () => ({ next: keyOf('a stranger') }),
      () => ({ next: null }),
    ])
      assert.equal(verdict(chainOf(ALL, { 2: change })), 'chain', change.toString())
  })

  it('holds only what its stations signed, one each', () => {
    const good = chainOf(ALL)
    const [first, second] = good as [Signed, Signed]
    assert.equal(verdict([first, { ...second, signatures: first.signatures }]), 'signature')
    const both = { ...second, signatures: [...second.signatures, ...second.signatures] }
    assert.equal(verdict([first, both]), 'signature')
    const other = signObject(HOP.kind, HOP.version, { job: JOB_ID }, signers[0] as Signer)
    assert.equal(verdict([other]), 'schema')
  })

  it('accounts for every station that was left out, as the job lets it', () => {
    const gap = [0, 1, 3, 4]
    assert.equal(verdict(chainOf(gap)), '0 1 3 4')
    assert.equal(verdict(chainOf(gap, { 1: () => ({ skipped: [] }) })), 'chain')
    assert.equal(verdict(chainOf(ALL, { 1: () => ({ skipped: [{ position: 4, code: 'unreachable' }] }) })), 'chain')
    assert.equal(verdict(chainOf(gap), jobOf('wait')), 'chain')
    assert.equal(verdict(chainOf(gap, {}, 'refused'), jobOf('wait')), 'chain')
    const refused = [...approvals.toSpliced(2, 1), decisionOf(2, 'refuse')]
    assert.equal(verdict(chainOf(gap, {}, 'refused'), jobOf('wait'), refused), '0 1 3 4')
    const chain = checkChain({ hops: chainOf(gap, {}, 'revoked'), decisions: approvals }, JOB_ID, jobOf('wait'))
    assert.deepEqual(chain.revoked, [stations[2]])
  })

  it('comes with decisions of its stations about this job', () => {
    const good = chainOf(ALL)
    assert.equal(verdict(good, jobOf('skip'), approvals.slice(1)), 'chain')
    const forged = { ...(approvals[0] as Signed), signatures: (approvals[1] as Signed).signatures }
    assert.equal(verdict(good, jobOf('skip'), [forged, ...approvals.slice(1)]), 'signature')
    assert.equal(verdict(good, jobOf('skip'), [decisionOf(0, 'refuse'), ...approvals.slice(1)]), 'chain')
  })

  it('ends once, with enough organisations, and as it says', () => {
    const last = (arrival: Hop['arrival']) => verdict(chainOf(ALL, { 4: () => ({ arrival }) }))
    assert.equal(last({ outcome: 'suppressed', code: 'small-cell', commitment: null }), '0 1 2 3 4')
    assert.equal(last({ outcome: 'suppressed', code: 'small-cell', commitment: keyOf('x') }), 'chain')
    assert.equal(last({ outcome: 'suppressed', code: 'released', commitment: null }), 'chain')
    assert.equal(last({ outcome: 'result', code: 'released', commitment: null }), 'chain')
    assert.equal(last(null), 'chain')
    assert.equal(verdict(chainOf([0, 4])), 'chain')
    const failed = { outcome: 'failed', code: 'cohort-below-minimum', commitment: null } as const
    const failing = (change: Partial<Hop>, positions = [0, 1]) =>
      verdict(chainOf(positions, { [positions.at(-1) as number]: () => ({ arrival: failed, ...change }) }))
    assert.equal(failing({}), '0 1')
    assert.equal(failing({ skipped: [] }), 'chain')
    assert.equal(failing({ skipped: [{ position: 3, code: 'unreachable' }] }), 'chain')
    assert.equal(failing({ arrival: { ...failed, code: 'tired' } }), 'chain')
    assert.equal(failing({ arrival: { ...failed, code: 'station-revoked' }, skipped: [] }), '0 1')
    assert.equal(failing({}, [4]), '4')
    assert.equal(failing({ skipped: [] }, [4]), 'chain')
    const early = () => ({ arrival: failed })
    assert.equal(verdict(chainOf(ALL, { 2: early })), 'chain')
  })

  it('is the one end once more than half of the stations say so', () => {
    const hops = chainOf(ALL)
    const job = jobOf('skip')
    const chain = checkChain({ hops, decisions: approvals }, JOB_ID, job)
    const confirm = (at: number, last = chain.last.hash, by = at): Signed =>
      signObject(
        CONFIRMATION.kind,
        CONFIRMATION.version,
        { job: JOB_ID, station: stations[at] as Hex, last },
        signers[by] as Signer,
      )
    const confirmed = (...all: Signed[]) => isConfirmed(chain, all, JOB_ID, job)
    assert.equal(confirmed(confirm(0), confirm(1)), false)
    assert.equal(confirmed(confirm(0), confirm(1), confirm(1)), false)
    assert.equal(confirmed(confirm(0), confirm(1), confirm(4)), true)
    assert.throws(() => confirmed(confirm(0), confirm(1), confirm(2, keyOf('another'))), { code: 'chain' })
    assert.throws(() => confirmed(confirm(0), confirm(1), confirm(2, chain.last.hash, 3)), { code: 'chain' })
  })
})
