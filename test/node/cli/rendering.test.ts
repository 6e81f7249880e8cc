import assert from 'node:assert/strict'
import { checkedText } from '@flamesh/node/cli/commands/job-check.js'
import { verdictText } from '@flamesh/node/cli/commands/policy-check.js'
import { renderStatus } from '@flamesh/node/cli/commands/status.js'
import { createProgress } from '@flamesh/node/cli/progress.js'
import { renderJob } from '@flamesh/node/cli/render-job.js'
import { numberText, renderOutcome, renderResult } from '@flamesh/node/cli/render-result.js'
import { renderTable } from '@flamesh/node/cli/table.js'
import { type JobDocument, jobDocument } from '@flamesh/node/control/documents.js'
import type { JobBrief } from '@flamesh/protocol/jobs/brief.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { lungSites, runFederated } from '../../protocol/analyses/federation.js'
import { RUNS } from '../../protocol/analyses/runs.js'
import { jobBrief, jobView } from '../control/fake-peer.js'

const JOB = 'ab'.repeat(32)
const view = (changes: Partial<JobDocument>): JobDocument => ({ ...jobDocument(jobView(JOB)), ...changes })

/** What a terminal shows after these writes: enough of ECMA-48 for lines that are drawn anew. */
function screen(text: string): readonly string[] {
  const lines: string[] = ['']
  let row = 0
  let rest = text
  while (rest !== '') {
    const up = /^\u001b\[(\d+)A\r/.exec(rest)
    if (up !== null) {
      row -= Number(up[1])
      rest = rest.slice(up[0].length)
    } else if (rest.startsWith('\u001b[J')) {
      lines.length = row + 1
      lines[row] = ''
      rest = rest.slice(3)
    } else if (rest.startsWith('\n')) {
      row++
      lines[row] ??= ''
      rest = rest.slice(1)
    } else {
      lines[row] = `${lines[row] ?? ''}${rest[0]}`
      rest = rest.slice(1)
    }
  }
  return lines.filter((line) => line !== '')
}

describe('progress', () => {
  const steps: readonly JobDocument[] = [
    view({}),
    view({ status: 'approved', sites: { 'site-a': { status: 'approved' } } }),
    view({
      status: 'submitted',
      round: 1,
      sites: {
        'site-a': { status: 'submitted' },
        'site-b': { status: 'refused', code: 'policy-never', message: 'not\u001b[2J here' },
      },
    }),
  ]
  const run = (terminal: boolean, rows = 24): string => {
    let text = ''
    const progress = createProgress({ isTTY: terminal, columns: 60, rows, write: (part) => (text += part) })
    for (const step of steps) progress.update(step)
    for (const step of steps.slice(-1)) progress.update(step)
    progress.finish()
    return text
  }

  it('draws one block on a terminal, always the latest', () => {
    assert.deepEqual(screen(run(true)), [
      'abababababab submitted, round 1: 1 submitted, 1 refused',
      '  * site-a submitted',
      '  - site-b refused (policy-never: not\ufffd[2J here)',
    ])
  })

  it('stays within the height of the terminal', () => {
    const sites = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`site-${i}`, { status: 'approved' as const }]),
    )
    let text = ''
    const progress = createProgress({ isTTY: true, columns: 60, rows: 10, write: (part) => (text += part) })
    progress.update(view({ sites }))
    progress.update(view({ sites }))
    const lines = screen(text)
    assert.ok(lines.length < 10)
    assert.match(lines.at(-1) ?? '', /and 44 more/)
  })

  it('says each change once where there is no terminal', () => {
    const lines = run(false).trimEnd().split('\n')
    const text = lines.map((line) => line.replace(/\d\d:\d\d:\d\d/, 'TIME'))
    assert.deepEqual(text, [
      'job abababababab announced',
      'site-a approved',
      'job abababababab approved',
      'waiting until every invited site has answered, at the latest until TIME (approveWithin)',
      'site-a submitted',
      'site-b refused (policy-never: not\ufffd[2J here)',
      'round 1',
      'job abababababab submitted',
    ])
  })
})

describe('results on a terminal', () => {
  it('shows coefficients as a table and the rest as fields', () => {
    const text = renderResult({
      names: ['age', 'sex'],
      coef: [0.0110411, -0.5518896],
      se: [0.0092668, 0.1677424],
      p: [0.2335, 0.00001],
      hazard_ratio: [1.0111, 0.57586],
      n: 227,
      factors: [],
      event: { column: 'status', is: '2' },
      proof: { salt: 'secret' },
    })
    assert.deepEqual(text.split('\n'), [
      '         coef         se        p  hazard ratio',
      'age  0.011041  0.0092668   0.2335        1.0111',
      'sex  -0.55189    0.16774  <0.0001       0.57586',
      '',
      'n      227',
      'event  status is 2',
      '',
    ])
  })

  it('shows a contingency table with its margins, and withheld cells as such', () => {
    const text = renderResult({
      rows: ['1', '2'],
      cols: ['0', '1'],
      counts_by_row: [26, null, 37, null],
      row_totals: [138, 90],
      col_totals: [63, 165],
      n: 228,
    })
    assert.deepEqual(text.split('\n').slice(0, 4), [
      '        0         1  total',
      '1      26  withheld    138',
      '2      37  withheld     90',
      'total  63       165    228',
    ])
  })

  it('shows a description, by group where there is one', () => {
    const moments = { n: 138, mean: 63.340579, variance: 83.525494, sd: null }
    const text = renderResult({ describe: { age: { ...moments, missing: 0, by: { '1': moments } } }, rows: 228 })
    assert.deepEqual(text.split('\n').slice(0, 3), [
      'column  group    n    mean  sd  variance  missing',
      'age            138  63.341   –    83.525        0',
      '        1      138  63.341   –    83.525',
    ])
  })

  it('shows fields within fields by where they stand, beside what else there is', () => {
    const welch = { difference: 2.2628, t: 1.8631762, p: 0.063943 }
    const text = renderResult({
      describe: { body_age: { n: 228 } },
      tests: { body_age: { welch, anova: { f: 3.4241, p: 0.00001 } }, late: null },
      proof: { evidence: { salt: 'secret' } },
      rows: 228,
    })
    assert.deepEqual(text.split('\n'), [
      'column      n',
      'body_age  228',
      '',
      'tests            difference       t        p       f',
      'body_age  welch      2.2628  1.8632   0.0639',
      '          anova                      <0.0001  3.4241',
      'late',
      '',
      'rows  228',
      '',
    ])
  })

  it('shows lists of records, and records with lists, as tables of their own', () => {
    const text = renderResult({
      logrank: { level: ['1', '2'], observed: [112, 53], expected: [92.471, 72.529], df: 1, p: 0.00001 },
      differences: [
        { level: '2', difference: 126.12, p: 0.0002 },
        { level: '3', difference: null, p: null },
      ],
      factors: [{ column: 'sex', levels: ['1', '2'], reference: '1' }],
      grid: { width: '30.5', intervals: 36 },
    })
    assert.deepEqual(text.split('\n'), [
      'level  observed  expected',
      '1           112    92.471',
      '2            53    72.529',
      '',
      'level  difference       p',
      '2          126.12  0.0002',
      '3               –       –',
      '',
      'logrank df      1',
      'logrank p       <0.0001',
      'factors         sex (1, 2, reference 1)',
      'grid width      30.5',
      'grid intervals  36',
      '',
    ])
  })

  it('shows no result of any analysis as JSON', () => {
    for (const [name, parameters] of RUNS) {
      const text = renderResult(runFederated(name, lungSites, parameters).result)
      assert.doesNotMatch(text, /[{}"]|\[object/, name)
    }
  })

  it('says why there is no result, and which sites took part', () => {
    const document = {
      job: JOB,
      status: 'failed' as const,
      code: 'cohort-below-minimum',
      result: null,
      sites: { b: { status: 'refused' as const }, a: { status: 'approved' as const } },
      receipt: null,
    }
    const text = renderOutcome(document, { resultFile: undefined, receiptFile: undefined, reportFile: undefined })
    assert.match(text, /status {2}failed \(cohort-below-minimum: fewer organisations/)
    assert.match(text, /sites {3}a approved, b refused/)
  })

  it('keeps whole numbers whole and the rest short', () => {
    const cases = [
      [12345678, '12345678'],
      [0.1234567, '0.12346'],
      [1e-9, '1e-9'],
      [null, '–'],
    ] as const
    for (const [value, text] of cases) assert.equal(numberText(value), text)
  })

  it('draws tables that names cannot break', () => {
    assert.equal(
      renderTable(
        [{ title: 'a' }, { title: 'n', align: 'right' }],
        [
          ['x\ny', '7'],
          ['z', '10'],
        ],
      ),
      'a     n\nx\ufffdy   7\nz    10\n',
    )
  })
})

describe('a job before it is decided', () => {
  const shown = (brief: Partial<JobBrief> = {}, changes: Partial<JobDocument> = {}): string =>
    renderJob({ ...view({ status: 'waiting', mine: false, ...changes }), brief: jobBrief(JOB, brief) })

  it('is told in plain words: who, what for, what is read, what leaves, who sees what, what the policy says', () => {
    const text = shown({
      recipients: ['ruth', 'bea'].map((name) => ({ name, organisation: `org of ${name}` })),
      where: [{ column: 'age', operator: 'at-least', values: [18] }],
    })
    for (const line of [
      /^purpose +a test$/m,
      /^researcher +researcher-b \(org-b\)$/m,
      /^recipients +ruth \(org of ruth\), bea \(org of bea\)$/m,
      /^analysis +describe version 1, built in$/m,
      /^dataset +lung, about 40 rows here, version 666666666666$/m,
      /^columns read +age$/m,
      /^where +age at least 18$/m,
      /^rules +at least 5 organisations in every sum, no count below 5 released/m,
      /^What leaves this site once, masked .*: 2 words$/m,
      /^contributors +count +0 to 1$/m,
      /^By its definition\n {2}- released: n$/m,
      /committee default sees the sum over all sites of each round, before small counts are withheld.*: site-a \(org-a\), site-c/,
      /absent, .*: site-b \(org-b\)$/m,
      /the recipients see the result: ruth/,
      /^The policy in force \(777777777777\) leaves it to the operator$/m,
      /^ask +outside-policy +no rule$/m,
      /^status +waiting$/m,
    ])
      assert.match(text, line)
    assert.doesNotMatch(text, /approvals/)
  })

  it('that is an image says by whom it was reviewed, what it was built from and what it needs', () => {
    const image = {
      reference: `registry.example.org/tree@sha256:${'1f'.repeat(32)}`,
      repository: 'registry.example.org/tree',
      digest: `sha256:${'1f'.repeat(32)}`,
      source: 'https://git.example.org/tree\u001b[2J',
      commit: 'c0'.repeat(20),
      sbom: '5b'.repeat(32),
      combine: 'reduce' as const,
      resources: ['gpu'],
    }
    const text = shown({
      image,
      analysis: {
        name: 'image',
        version: 1,
        hash: '88'.repeat(32),
        builtin: false,
        definition: [],
        reviewers: ['ana', 'bo'],
      },
      floor: { needed: 2, reviewers: ['ana', 'bo', 'cy'] },
      leaves: {
        words: 9,
        slots: [{ name: 'score', kind: 'sum', length: 4, lower: '-1', upper: '2.5' }],
        rounds: 5,
        iterative: true,
      },
    })
    for (const line of [
      /^image +registry\.example\.org\/tree@sha256:(1f){32}$/m,
      /^source +https:\/\/git\.example\.org\/tree\ufffd\[2J, commit (c0){20}$/m,
      /^SBOM +SHA-256 (5b){32}$/m,
      /^reviewed by +ana, bo, as the hub attests; the log asked for 2 of 3 reviewers: ana, bo, cy$/m,
      /^needs +gpu$/m,
      /^combined +by the image itself on the committee/m,
      /^What leaves this site in each of 5 rounds, .*: 9 words$/m,
      /^score +4 sums +each -1 to 2\.5$/m,
    ])
      assert.match(text, line)
    assert.match(
      shown({ image, floor: null }),
      /reviewed by +nobody, as far as the log says; the log asks for no reviews/,
    )
    const analysis = {
      name: 'image',
      version: 1,
      hash: '88'.repeat(32),
      builtin: false,
      definition: [],
      reviewers: ['ana'],
    }
    const floorNow = { needed: 2, reviewers: ['ana', 'bo'], met: false }
    assert.match(
      shown({ image, analysis, floor: { needed: 1, reviewers: ['ana'] }, floorNow }),
      /ana, as the hub attests; the log asked for 1 of 1 reviewers: ana; it asks for 2 of 2 reviewers: ana, bo now, for which this review is not enough/,
    )
    assert.match(
      shown({ image, analysis, floor: null, floorNow: { ...floorNow, needed: 1, met: true } }),
      /the log asked for no reviews; it asks for 1 of 2 reviewers: ana, bo now, which this review meets/,
    )
  })

  it('that takes several operators says who has signed', () => {
    const operators = ['ada', 'bo'].map((name) => ({ name, key: JOB, signed: name === 'bo' }))
    assert.match(
      shown({ approvals: { needed: 2, operators } }),
      /^approvals +2 operators must sign; signed: bo; not yet: ada$/m,
    )
  })
})

describe('how a job fits the sites', () => {
  it('says of each site what does not fit, and who cannot take part', () => {
    const sites = [
      { site: 'site-a', roundedRows: 120, columns: ['age'], misfits: [] },
      {
        site: 'site-b',
        roundedRows: 40,
        columns: [],
        misfits: [
          { column: 'age', kind: 'absent' as const, message: 'has no column age' },
          { column: 'sex', kind: 'text' as const, message: 'keeps no values of sex' },
        ],
      },
    ]
    const body = { analysis: { name: 'describe' }, parameters: { columns: ['age'] } } as unknown as Job
    const text = checkedText({ body, sites })
    assert.match(text, /parameters +\{"columns":\["age"\]\}/)
    assert.match(text, /site-a +120 {2}fits/)
    assert.match(text, /site-b +40 {2}has no column age\n +no: keeps no values of sex/)
  })
})

describe('what the policy would say', () => {
  it('names whom the job would wait for', () => {
    const check = { decision: 'ask', rules: [], code: 'rate', message: 'too many', consents: false } as const
    const text = (signatures: number) => verdictText({ ...check, signatures })
    assert.equal(text(0), 'The job would wait for the operator: too many (rate).')
    assert.equal(text(1), 'The job would wait until an operator has signed: too many (rate).')
    assert.equal(text(2), 'The job would wait until 2 operators have signed: too many (rate).')
    assert.equal(
      verdictText({ ...check, decision: 'refuse', signatures: 0 }),
      'The policy would refuse this job: too many (rate).',
    )
    assert.equal(verdictText({ ...check, decision: 'approve', signatures: 0 }), 'The policy would approve this job.')
  })
})

describe('how the daemon is', () => {
  const status = {
    version: '0.1.0',
    pid: 1,
    upSinceMs: 0,
    name: 'site-a',
    organisation: 'A',
    roles: ['site' as const],
    key: JOB,
    member: true,
    listen: [],
    hub: { url: 'http://hub', reachable: true, lastAnswerMs: 0, problem: null },
    log: { size: 1, checkpointMs: null },
    peers: { connected: 0, members: 0 },
    datasets: [],
    policy: JOB,
    jobs: {},
    restoredMs: null,
  }

  it('says that the node was put back to an older copy of its disk, and nothing of it otherwise', () => {
    assert.doesNotMatch(renderStatus(status, 0), /restored/)
    assert.match(renderStatus({ ...status, restoredMs: 0 }, 180_000), /^restored +started 3 min ago on an older copy/m)
  })
})
