import assert from 'node:assert/strict'
import { utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { type Signed, sign } from '@flamesh/protocol/encoding/signed.js'
import { CANNOT_SHOW, type ReceiptReport, verifyReceipt } from '@flamesh/protocol/jobs/receipt.js'
import { readReceipt } from '@flamesh/protocol/jobs/receipt-evidence.js'
import fc from 'fast-check'
import { checkpointOver, enrol, hub, signAll, signer } from '../identity/fixtures.js'
import {
  compileIn,
  ENTRIES,
  keyOf,
  NOW,
  type Run,
  receiptOf,
  runJob,
  SITES,
  signJob,
  type Twists,
  worldOf,
} from './receipt-world.js'
import { thrownCode } from './support.js'

const DESCRIBE = { analysis: 'describe', parameters: { columns: ['age', 'wt.loss'], by: 'sex' } }
const COX = {
  analysis: 'cox',
  parameters: { time: 'time', event: { column: 'status', is: 2 }, covariates: ['age', 'sex'] },
}
const world = worldOf(ENTRIES)

function ran(
  document: Record<string, unknown> = DESCRIBE,
  twists: Twists = {},
  researcher = 'ruth',
  inWorld = world,
): Run {
  const job = compileIn(inWorld, document, researcher)
  return runJob(inWorld, signJob(job, signer(researcher)), job, twists)
}

/** What a file of the result would hold. */
const onFile = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')

/** `ok`, or the checks that failed. */
function verdict(receipt: Uint8Array, result?: unknown, hubKey = hub.publicKey): string {
  const report = verifyReceipt(receipt, { hubKey, result })
  const failed = report.findings.filter((one) => !one.ok).map((one) => one.check)
  assert.equal(report.ok, failed.length === 0)
  for (const { message } of report.findings) assert.ok(message.length > 0)
  return report.ok ? 'ok' : failed.join(' ')
}

// biome-ignore lint/suspicious/noExplicitAny: a parsed file of unknown shape, to be damaged
type Damaged = any
function damage(receipt: Uint8Array, change: (document: Damaged) => void): Uint8Array {
  const document = JSON.parse(text(receipt))
  change(document)
  return utf8ToBytes(JSON.stringify(document))
}

const described = ran()
const receipt = receiptOf(described)
const modelled = ran(COX)
const modelReceipt = receiptOf(modelled)
const whole = {
  job: verifyReceipt(receipt, { hubKey: hub.publicKey }).summary?.job,
  status: 'released',
  result: onFile(described.result),
  sites: Object.fromEntries(SITES.map((name) => [name, { status: 'submitted', included: true }])),
  receipt: '/somewhere',
}

describe('receipt', () => {
  it('proves a result of one round, given alone or as the whole document', () => {
    assert.equal(verdict(receipt), 'ok')
    assert.equal(verdict(receipt, onFile(described.result)), 'ok')
    assert.equal(verdict(receipt, whole), 'ok')
    assert.ok(described.result !== undefined && Object.keys(described.result).length > 1)
  })

  it('proves a result of several rounds', () => {
    assert.ok(modelled.records.length >= 3)
    assert.equal(verdict(modelReceipt, onFile(modelled.result)), 'ok')
  })

  it('says who asked what, who took part under which rules, and what it cannot show', () => {
    const attested = {
      type: 'attest-analysis' as const,
      analysis: 'describe',
      analysisHash: described.job.analysis.hash,
      reviewers: ['board'],
    }
    const refusal = { decision: 'refuse' as const, code: 'policy-never', message: 'no', datasetVersion: null }
    const run = ran(
      { ...DESCRIBE, purpose: 'why' },
      { decisions: { 'site-h': refusal }, survivors: () => [0, 1, 2, 3, 4, 5] },
      'ruth',
      worldOf([...ENTRIES, attested]),
    )
    const { summary } = verifyReceipt(receiptOf(run), { hubKey: hub.publicKey }) as Required<ReceiptReport>
    assert.ok(summary)
    assert.deepEqual(summary.researcher, { name: 'ruth', organisation: 'university' })
    assert.deepEqual(summary.analysis.reviewers, ['board'])
    assert.equal(summary.purpose, 'why')
    assert.deepEqual(
      summary.sites.map((one) => [one.name, one.decision, one.included]),
      SITES.map((name, at) => [name, name === 'site-h' ? 'refuse' : 'approve', at < 6]),
    )
    assert.equal(summary.sites.at(-1)?.code, 'policy-never')
    assert.deepEqual(summary.committee, { name: 'default', members: SITES.slice(0, 4), absent: [], quorum: 3 })
    assert.deepEqual([summary.outcome, summary.minimumCohort, summary.minimumCell], ['released', 5, 5])
    assert.deepEqual(summary.cannotShow, CANNOT_SHOW)
    assert.ok(CANNOT_SHOW.length > 0)
  })

  it('holds when nothing was released, and then for no numbers', () => {
    const few = ran(
      { ...DESCRIBE, minimumCell: 5 },
      { opened: (body) => ({ ...body, outcome: 'suppressed', code: 'small-cell', commitment: null }) },
    )
    assert.equal(verdict(receiptOf(few), { status: 'suppressed', result: null }), 'ok')
    assert.equal(verdict(receiptOf(few), onFile(few.result)), 'result')
    const failed = ran(DESCRIBE, { abandon: 'cohort-below-minimum', decisions: { 'site-a': null } })
    const report = verifyReceipt(receiptOf(failed), { hubKey: hub.publicKey })
    assert.deepEqual(
      [report.ok, report.summary?.outcome, report.summary?.code],
      [true, 'failed', 'cohort-below-minimum'],
    )
    assert.ok(report.summary?.sites.every((one) => !one.included))
    assert.equal(verdict(receiptOf(failed), whole), 'result')
  })

  it('accepts attempts that were abandoned, not opened, or lost by whoever wrote it', () => {
    const run = ran(DESCRIBE, { attemptsBefore: ['abandoned', 'lost', 'not-opened'] })
    assert.equal(run.records.length, 3)
    assert.equal(verdict(receiptOf(run), onFile(run.result)), 'ok')
  })

  it('holds when the log has grown since, whatever became of the members', () => {
    const revoked = (name: string) => ({ type: 'revoke' as const, key: keyOf(name), reason: 'left' })
    const later = worldOf([...ENTRIES, revoked('ruth'), revoked('site-e'), enrol('site-z')])
    assert.equal(verdict(receiptOf(described, later), onFile(described.result)), 'ok')
  })

  it('follows a member through a change of key', () => {
    const rotated = {
      type: 'rotate-key' as const,
      key: keyOf('ruth'),
      newKey: keyOf('ruth 2'),
      newSealingKey: keyOf('seal 2'),
      notBefore: NOW - 1,
      notAfter: NOW + 1e10,
    }
    const run = ran(DESCRIBE, {}, 'ruth 2', worldOf([...ENTRIES, rotated]))
    const report = verifyReceipt(receiptOf(run), { hubKey: hub.publicKey, result: onFile(run.result) })
    assert.equal(report.ok, true)
    assert.equal(report.summary?.researcher.name, 'ruth')
  })

  it("leaves the seat of the researcher's organisation out of every quorum", () => {
    const run = ran(DESCRIBE, {}, 'adam')
    const report = verifyReceipt(receiptOf(run), { hubKey: hub.publicKey })
    assert.deepEqual([report.ok, report.summary?.committee.absent], [true, ['site-a']])
    assert.equal(verdict(receiptOf(ran(DESCRIBE, { openedBy: SITES.slice(0, 3) }, 'adam'))), 'rounds')
    // an absent seat has no say at all: its signature spoils an opening even beside a quorum's
    assert.equal(verdict(receiptOf(ran(DESCRIBE, { openedBy: SITES.slice(0, 4) }, 'adam'))), 'rounds')
  })
})

describe('receipt, when something is off', () => {
  it('notices another hub', () => {
    assert.equal(verdict(receipt, undefined, signer('other hub').publicKey), 'log')
  })

  it('notices what is not a receipt', () => {
    for (const bytes of [
      new Uint8Array(0),
      utf8ToBytes('{}'),
      utf8ToBytes('[1'),
      Uint8Array.of(0, 255),
      damage(receipt, (d) => (d.format = 'flamesh-receipt/2')),
      damage(receipt, (d) => (d.more = 1)),
    ]) {
      assert.equal(verdict(bytes), 'format')
    }
  })

  it('reads no more than a receipt can hold', () => {
    assert.equal(
      thrownCode(() => readReceipt(receipt, receipt.length - 1)),
      'receipt',
    )
    assert.equal(readReceipt(receipt, receipt.length).rounds.length, 1)
  })

  it('never throws', () => {
    fc.assert(fc.property(fc.uint8Array(), (bytes) => assert.equal(verdict(bytes), 'format')))
    fc.assert(
      fc.property(fc.anything(), (result) => void verifyReceipt(receipt, { hubKey: hub.publicKey, result })),
      { numRuns: 20 },
    )
  })

  it('notices any altered character of what was signed', () => {
    const signedAt = [...text(receipt).matchAll(/"[A-Za-z0-9+/=]{64,}"/g)].map(
      (match) => [match.index + 1, match.index + match[0].length - 1] as const,
    )
    const place = fc.constantFrom(...signedAt).chain(([from, to]) => fc.integer({ min: from, max: to - 1 }))
    fc.assert(
      fc.property(place, fc.constantFrom('A', 'b', '7', '/', 'f', '='), (at, character) => {
        const altered = text(receipt)
        fc.pre(altered[at] !== character)
        assert.notEqual(verdict(utf8ToBytes(altered.slice(0, at) + character + altered.slice(at + 1))), 'ok')
      }),
      { numRuns: 40 },
    )
  })

  const damages: readonly [string, (document: Damaged) => void, string][] = [
    ['a missing approval', (d) => d.decisions.pop(), 'rounds'],
    ['a repeated decision', (d) => d.decisions.push(d.decisions[0]), 'decisions'],
    [
      'a decision about another job',
      (d) => (d.decisions[0] = JSON.parse(text(modelReceipt)).decisions[0]),
      'decisions',
    ],
    ['another job', (d) => (d.job = JSON.parse(text(modelReceipt)).job), 'decisions'],
    ['no rounds', (d) => (d.rounds = []), 'rounds'],
    ['rounds after the end', (d) => d.rounds.push(d.rounds[0]), 'rounds'],
    ['a missing opening', (d) => (d.rounds[0].opened = null), 'rounds'],
    ['a missing specification', (d) => (d.rounds[0].specification = null), 'rounds'],
    ['a specification as opening', (d) => (d.rounds[0].opened = d.rounds[0].specification), 'rounds'],
    ['another number', (d) => (d.rounds[0].attempt = 1), 'rounds'],
    ['a statement without proof', (d) => (d.log.statements[0].proof = []), 'log'],
    [
      'a statement in the place of another',
      (d) => (d.log.statements[1].statement = d.log.statements[0].statement),
      'log',
    ],
    ['a statement twice', (d) => d.log.statements.splice(1, 0, d.log.statements[1]), 'log'],
    ['statements out of order', (d) => d.log.statements.reverse(), 'log'],
    ['a site that nobody enrolled', (d) => d.log.statements.splice(4, 1), 'decisions'],
    ['a researcher that nobody enrolled', (d) => d.log.statements.splice(8, 1), 'rules'],
    ['a member of the committee that nobody enrolled', (d) => d.log.statements.splice(0, 1), 'decisions'],
    ['no committee', (d) => d.log.statements.pop(), 'rules rounds'],
  ]
  for (const [what, change, checks] of damages) {
    it(`notices ${what}`, () => {
      assert.equal(verdict(damage(receipt, change)), checks)
    })
  }

  it('notices a missing or exchanged round of several', () => {
    assert.equal(verdict(damage(modelReceipt, (d) => d.rounds.splice(1, 1))), 'rounds')
    assert.equal(verdict(damage(modelReceipt, (d) => d.rounds.pop())), 'rounds')
    assert.equal(
      verdict(damage(modelReceipt, (d) => ([d.rounds[0], d.rounds[1]] = [d.rounds[1], d.rounds[0]]))),
      'rounds',
    )
  })

  const EVERYONE = SITES.map((_, index) => index)
  const unlike: readonly [string, Record<string, unknown>, Twists, string][] = [
    ['fewer signatures than a quorum under the opening', DESCRIBE, { openedBy: SITES.slice(0, 2) }, 'rounds'],
    ['a signature by one who is not on the committee', DESCRIBE, { openedBy: SITES.slice(3, 6) }, 'rounds'],
    ['fewer organisations than the job demands', DESCRIBE, { survivors: () => [0, 1, 2, 3] }, 'rounds'],
    [
      'a cohort with a site that refused',
      DESCRIBE,
      {
        decisions: { 'site-h': { decision: 'refuse', datasetVersion: null } },
        specification: (body) => ({
          ...body,
          cohort: body.cohort
            .map((one) => ({ ...one, site: one.site }))
            .concat([{ site: keyOf('site-h'), decision: keyOf('x') }]),
        }),
      },
      'rounds',
    ],
    ['a lower floor than the job’s', DESCRIBE, { specification: (body) => ({ ...body, minCohort: 3 }) }, 'rounds'],
    ['another analysis', DESCRIBE, { specification: (body) => ({ ...body, analysis: keyOf('x') }) }, 'rounds'],
    ['another opening', DESCRIBE, { specification: (body) => ({ ...body, opening: 'recipients' }) }, 'rounds'],
    [
      'another committee',
      DESCRIBE,
      { specification: (body) => ({ ...body, committee: { ...body.committee, index: 3 } }) },
      'rounds',
    ],
    ['an opening of other survivors', DESCRIBE, { opened: (body) => ({ ...body, survivors: keyOf('x') }) }, 'rounds'],
    [
      'sites dropped between rounds',
      COX,
      { survivors: (round) => (round === 1 ? EVERYONE : EVERYONE.slice(1)) },
      'rounds',
    ],
    [
      'a round that starts from another state',
      COX,
      { specification: (body) => (body.round === 2 ? { ...body, state: keyOf('x') } : body) },
      'rounds',
    ],
    [
      'another log of the same size',
      DESCRIBE,
      { specification: (body) => ({ ...body, checkpoint: { ...body.checkpoint, root: keyOf('x') } }) },
      'rounds',
    ],
    [
      'a site that saw another log',
      DESCRIBE,
      { decisions: { 'site-h': { checkpoint: { ...described.job.checkpoint, root: keyOf('x') } } } },
      'decisions',
    ],
    [
      'a decision by a site of the future',
      DESCRIBE,
      { decisions: { 'site-h': { checkpoint: { size: 3, root: keyOf('x') } } } },
      'decisions',
    ],
    [
      'a decision in the name of another site',
      DESCRIBE,
      { decisions: { 'site-h': { site: keyOf('site-g') } } },
      'decisions',
    ],
    [
      'an operator who did not sign',
      DESCRIBE,
      {
        decisions: {
          'site-h': {
            by: 'operator',
            operators: [{ name: 'ada', key: keyOf('ada'), consent: false, signature: new Uint8Array(64) }],
          },
        },
      },
      'decisions',
    ],
    ['a decision after the end', DESCRIBE, { decisions: { 'site-h': { decidedAt: NOW + 7_200_000 } } }, 'decisions'],
  ]
  for (const [what, document, twists, checks] of unlike) {
    it(`notices ${what}`, () => {
      assert.equal(verdict(receiptOf(ran(document, twists))), checks)
    })
  }

  it('notices a job that its researcher did not sign, or was not allowed to ask', () => {
    const job = compileIn(world, DESCRIBE)
    assert.equal(verdict(receiptOf(runJob(world, signJob(job, signer('adam')), job))), 'job')
    const both: Signed = {
      ...described.signed,
      signatures: [...described.signed.signatures, sign('job', 1, described.signed.payload, signer('adam'))],
    }
    assert.equal(verdict(receiptOf({ ...described, signed: both })), 'job')
    const lax = { ...job, minimumCell: 1 }
    assert.equal(verdict(receiptOf(runJob(world, signJob(lax, signer('ruth')), lax))), 'rules')
    const revoked = worldOf([...ENTRIES, { type: 'revoke', key: keyOf('ruth'), reason: 'left' }])
    const { checkpoint } = compileIn(revoked, DESCRIBE, 'adam')
    const after = { ...job, checkpoint }
    assert.equal(verdict(receiptOf(runJob(revoked, signJob(after, signer('ruth')), after))), 'rules')
  })

  it('notices attempts out of order, or after the end', () => {
    const tried = ran(DESCRIBE, { attemptsBefore: ['abandoned', 'not-opened'] })
    const [first, second, ...more] = tried.records
    assert.ok(first && second)
    assert.equal(verdict(receiptOf(tried)), 'ok')
    assert.equal(verdict(damage(receiptOf(tried), (d) => d.rounds.unshift(...d.rounds.splice(1, 1)))), 'rounds')
    const failed = ran(DESCRIBE, { abandon: 'cohort-below-minimum' })
    assert.equal(verdict(receiptOf({ ...failed, records: [...failed.records, second, ...more] })), 'rounds')
  })

  it('notices a site that the job does not name, and two of one house', () => {
    const named = { ...DESCRIBE, cohort: { sites: SITES.slice(0, 7) } }
    assert.equal(verdict(receiptOf(ran(named))), 'decisions')
    assert.equal(
      verdict(receiptOf(ran(named, { decisions: { 'site-h': null }, survivors: () => [0, 1, 2, 3, 4] }))),
      'ok',
    )
    const house = worldOf(
      ENTRIES.map((one) =>
        one.type === 'enrol' && one.certificate.name === 'site-h'
          ? enrol('site-h', { organisation: 'org-site-g' })
          : one,
      ),
    )
    assert.equal(verdict(receiptOf(ran(DESCRIBE, {}, 'ruth', house))), 'rounds')
    assert.equal(verdict(receiptOf(ran(DESCRIBE, { survivors: () => [0, 1, 2, 3, 4, 7] }, 'ruth', house))), 'ok')
  })

  it('notices a decision that another site signed as well', () => {
    const [first, ...others] = described.decisions as [Signed, ...Signed[]]
    const shared = { ...first, signatures: [...first.signatures, sign('decision', 1, first.payload, signer('site-g'))] }
    assert.equal(verdict(receiptOf({ ...described, decisions: [shared, ...others] })), 'decisions')
  })

  it('notices a member of the committee whom nobody enrolled', () => {
    const run = ran(DESCRIBE, { decisions: { 'site-a': null }, survivors: () => [1, 2, 3, 4, 5, 6, 7] })
    assert.equal(verdict(receiptOf(run)), 'ok')
    assert.equal(verdict(damage(receiptOf(run), (d) => d.log.statements.shift())), 'rounds')
  })

  it('notices two seats of one house, whatever the hub signed', () => {
    // no node would follow a log with this in it: the receipt is made from a roster that the log does not fold to
    const statements = signAll(
      ENTRIES.map((one) =>
        one.type === 'enrol' && one.certificate.name === 'site-b'
          ? enrol('site-b', { organisation: 'org-site-a' })
          : one,
      ),
    )
    const shared = { statements, roster: world.roster, checkpoint: checkpointOver(statements) }
    const run = ran(DESCRIBE, { survivors: () => [0, 2, 3, 4, 5, 6, 7] }, 'ruth', shared)
    assert.equal(verdict(receiptOf(run)), 'rounds')
  })

  it('notices a checkpoint over another log', () => {
    const other = worldOf([enrol('site-z'), ...ENTRIES])
    const checkpoint = Buffer.from(other.checkpoint).toString('base64')
    assert.equal(verdict(damage(receipt, (d) => (d.log.checkpoint = checkpoint))), 'log')
  })
})

describe('result against its receipt', () => {
  it('notices any altered value, wherever it stands', () => {
    const leaves: (readonly (string | number)[])[] = []
    const walk = (value: unknown, path: readonly (string | number)[]): void => {
      if (typeof value === 'object' && value !== null)
        for (const [key, item] of Object.entries(value)) walk(item, [...path, Array.isArray(value) ? Number(key) : key])
      else leaves.push(path)
    }
    const original = onFile(described.result)
    walk(original, [])
    assert.ok(leaves.length > 20)
    leaves.forEach((path, at) => {
      const copy = onFile(original) as Damaged
      const parent = path.slice(0, -1).reduce((object, key) => object[key], copy)
      const key = path.at(-1) as string | number
      const value = parent[key]
      if (at % 5 === 4) delete parent[key]
      else if (typeof value === 'number') parent[key] = value + Math.max(1, Math.abs(value)) * 2 ** -50
      else parent[key] = value === null ? 0 : `${value}0`
      assert.equal(verdict(receipt, copy), 'result', path.join('.'))
    })
  })

  it('notices a result with something more, or nothing at all', () => {
    assert.equal(verdict(receipt, { ...(onFile(described.result) as object), significant: true }), 'result')
    const longer = onFile(modelled.result) as Damaged
    longer.names.push('height')
    assert.equal(verdict(modelReceipt, longer), 'result')
    for (const nothing of [null, 7, 'x', [], {}, { result: null }, { result: {} }, { proof: null }])
      assert.equal(verdict(receipt, nothing), 'result')
  })

  it('notices the true result of another run, or job', () => {
    const other = ran(DESCRIBE, { survivors: () => [0, 1, 2, 3, 4, 5, 6] })
    assert.equal(verdict(receiptOf(other), onFile(other.result)), 'ok')
    assert.equal(verdict(receipt, onFile(other.result)), 'result')
    assert.equal(verdict(modelReceipt, onFile(described.result)), 'result')
  })

  it('notices a document that says other things than the receipt', () => {
    assert.equal(verdict(receipt, { ...whole, job: keyOf('x') }), 'result')
    assert.equal(verdict(receipt, { ...whole, status: 'suppressed' }), 'result')
    assert.equal(
      verdict(receipt, { ...whole, sites: { ...whole.sites, 'site-c': { status: 'failed', included: false } } }),
      'result',
    )
    assert.equal(verdict(receipt, { ...whole, sites: { ...whole.sites, 'site-c': { status: 'refused' } } }), 'result')
    assert.equal(
      verdict(receipt, { ...whole, sites: { ...whole.sites, 'site-x': { status: 'submitted', included: true } } }),
      'result',
    )
  })
})
