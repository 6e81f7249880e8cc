/** Of an analysis that is an image, a receipt carries what its reviewers signed. */
import assert from 'node:assert/strict'
import { utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { payloadHash } from '@flamesh/protocol/encoding/signed.js'
import { encodeBase64 } from '@flamesh/protocol/identity/base.js'
import { inclusionProof } from '@flamesh/protocol/identity/merkle.js'
import { imageAttestation } from '@flamesh/protocol/identity/roster.js'
import type { Entry } from '@flamesh/protocol/identity/statements.js'
import { descriptionHash } from '@flamesh/protocol/images/description.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { MAX_RECEIPT_BYTES, type ReceiptDocument } from '@flamesh/protocol/jobs/receipt-document.js'
import { readLog, readReceipt, rosterAt } from '@flamesh/protocol/jobs/receipt-evidence.js'
import { hub, leavesOf, signer } from '../identity/fixtures.js'
import { attestImage, description, floorOf, withdrawImage } from '../images/fixtures.js'
import { compileIn, ENTRIES, receiptOf, runJob, SITES, signJob, type World, worldOf } from './receipt-world.js'

const HASH = descriptionHash(description())
const FLOOR = ENTRIES.length

/** A receipt of a job that names the image by the hash of its description. */
function receiptFrom(world: World): Uint8Array {
  const compiled = compileIn(world, { analysis: 'describe', parameters: { columns: ['age'] } })
  const job = { ...compiled, analysis: { ...compiled.analysis, hash: HASH } }
  return receiptOf(runJob(world, signJob(job, signer('ruth')), job))
}

const receiptIn = (...entries: readonly Entry[]): Uint8Array => receiptFrom(worldOf([...ENTRIES, ...entries]))

const documentOf = (receipt: Uint8Array): ReceiptDocument => readReceipt(receipt, MAX_RECEIPT_BYTES)

function attestedIn(document: ReceiptDocument) {
  const log = readLog(document, hub.publicKey)
  return imageAttestation(rosterAt(log, log.checkpoint.size), HASH)
}

function said(document: ReceiptDocument): string {
  const { findings } = verifyReceipt(utf8ToBytes(JSON.stringify(document)), { hubKey: hub.publicKey })
  return findings.find((one) => one.check === 'analysis')?.message ?? ''
}

const without = (document: ReceiptDocument, index: number): ReceiptDocument => {
  const at = readLog(document, hub.publicKey).statements.findIndex((one) => one.index === index)
  assert.ok(at >= 0)
  return { ...document, log: { ...document.log, statements: document.log.statements.toSpliced(at, 1) } }
}

describe('the receipt of a job of an image', () => {
  const floor = floorOf(2, 'ana', 'bo', 'cy')
  const image = description({ combine: 'sum', maxRounds: 1, resources: [] })
  const other = { ...image, image: image.image.replace(/1f$/, '2f') }
  const world = worldOf([...ENTRIES, floor, attestImage(['ana', 'cy'], image, FLOOR)])
  const document = { image: image.image, columns: ['age'] }
  const verified = (job: Job, decided = job) => {
    const signed = signJob(job, signer('ruth'))
    const about = payloadHash(signJob(decided, signer('ruth')))
    const decisions = Object.fromEntries(SITES.map((name) => [name, { job: about }]))
    return verifyReceipt(receiptOf(runJob(world, signed, job, { abandon: 'cohort-below-minimum', decisions })), {
      hubKey: hub.publicKey,
    })
  }

  it('names the image by its digest, and who reviewed it', () => {
    const { ok, summary, findings } = verified(compileIn(world, document))
    assert.ok(ok, JSON.stringify(findings.filter((one) => !one.ok)))
    assert.deepEqual(summary?.image, {
      repository: 'registry.example.org/cohorts/tree',
      digest: `sha256:${'1f'.repeat(32)}`,
    })
    assert.deepEqual(summary?.analysis.reviewers, ['ana', 'cy'])
  })

  it('takes no approval of the same question to another image', () => {
    const job = compileIn(world, document)
    const decided = { ...job, image: other, analysis: { ...job.analysis, hash: descriptionHash(other) } }
    const { ok, findings } = verified(job, decided)
    assert.equal(ok, false)
    assert.match(findings.find((one) => !one.ok)?.message ?? '', /a decision is about another job/)
  })
})

describe('the receipt of an image', () => {
  const floor = floorOf(2, 'ana', 'bo', 'cy')
  const later = floorOf(1, 'dee')
  const both = attestImage(['ana', 'cy'], undefined, FLOOR)
  const document = documentOf(receiptIn(floor, both, later))

  it('shows the reviews, and the floor that says whose keys these are', () => {
    const found = attestedIn(document)
    assert.deepEqual(found?.reviewers, ['ana', 'cy'])
    assert.deepEqual(found?.description, description())
    assert.deepEqual([found?.floor.index, found?.index], [FLOOR, FLOOR + 1])
    assert.match(said(document), /reviewed by ana, cy, as the hub attests/)
  })

  it('shows nothing without the attestation, and is refused with the attestation alone', () => {
    assert.equal(attestedIn(without(document, FLOOR + 1)), undefined)
    assert.match(said(without(document, FLOOR + 1)), /no review is attested/)
    assert.throws(() => attestedIn(without(document, FLOOR)), { code: 'log-proof' })
  })

  it('cannot say who reviewed by a floor that gives the same keys other names', () => {
    const others = { ...floor, reviewers: ['dee', 'eve', 'flo'] } as Entry
    const world = worldOf([...ENTRIES, others, floor, attestImage(['ana', 'cy'], undefined, FLOOR + 1), others])
    const honest = documentOf(receiptFrom(world))
    assert.match(said(honest), /reviewed by ana, cy, as the hub attests/)
    const proven = (index: number) => ({
      statement: encodeBase64(world.statements[index] as Uint8Array),
      proof: [...inclusionProof(leavesOf(world.statements), index, world.statements.length)],
    })
    const at = readLog(honest, hub.publicKey).statements.findIndex((one) => one.index === FLOOR + 1)
    const { statements } = honest.log
    const withLog = (changed: typeof statements) => ({ ...honest, log: { ...honest.log, statements: changed } })
    const shown = (changed: ReceiptDocument) =>
      verifyReceipt(utf8ToBytes(JSON.stringify(changed)), { hubKey: hub.publicKey })
    // the older one, and the newer one, in its place
    const later = statements.toSpliced(at, 1)
    for (const swapped of [statements.with(at, proven(FLOOR)), [...later, proven(FLOOR + 3)]]) {
      const report = shown(withLog(swapped))
      assert.equal(report.summary, undefined)
      const { check, ok, message } = report.findings.at(-1) ?? assert.fail()
      assert.deepEqual([check, ok], ['log', false])
      assert.match(message, /policy floor .* is not there/)
    }
    // beside it they change nothing
    const all = [...statements.toSpliced(at, 0, proven(FLOOR)), proven(FLOOR + 3)]
    assert.match(said(withLog(all)), /reviewed by ana, cy, as the hub attests/)
  })

  it('shows nothing that was never attested', () => {
    assert.match(said(documentOf(receiptIn(floor))), /no review is attested/)
  })

  it('shows what stood when the job was done, though it was withdrawn since', () => {
    const receipt = receiptIn(floor, both, withdrawImage())
    assert.match(said(documentOf(receipt)), /reviewed by ana, cy/)
  })
})
