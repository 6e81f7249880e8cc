/** The report of a result: the right pictures with the right numbers, text that stays text, a page that needs nothing else. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeResultFiles } from '@flamesh/node/cli/result-files.js'
import { renderReport } from '@flamesh/node/report/page.js'
import { alike, fixed, percent, pText, shortNumber, withInterval } from '@flamesh/node/report/text.js'
import { listAnalyses } from '@flamesh/protocol/analyses/registry.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { ratioScale, valueScale } from '@flamesh/protocol/report/scale.js'
import { exampleResult, TITLES } from './examples.js'
import { type Element, elements, parseMarkup, textOf } from './markup.js'
import { drawn, factsOf, figures, JOB, marks, pageOf } from './page-of.js'

/** Of each example; none where a picture would say nothing that the table does not, or where all is withheld. */
const PICTURES: Readonly<Record<string, readonly string[]>> = {
  describe: ['means'],
  'describe-whole': [],
  moments: ['means'],
  'compare-means': ['means'],
  histogram: ['histogram'],
  'histogram-small': ['histogram'],
  'histogram-by': ['histogram'],
  quantiles: ['quantiles'],
  table: ['shares', 'measures'],
  'table-large': ['shares'],
  'table-withheld': [],
  correlation: ['correlations'],
  pca: ['scree', 'loadings'],
  linear: ['forest'],
  ridge: ['forest'],
  logistic: ['forest'],
  glm: ['forest'],
  'glm-gamma': ['forest'],
  'glm-probit': ['forest'],
  cox: ['forest'],
  'cox-breast': ['forest'],
  'mantel-haenszel': ['measures'],
  rates: ['estimates', 'observed-expected', 'strata'],
  roc: ['roc', 'calibration'],
  'roc-score': ['roc'],
  survival: ['survival'],
  'survival-groups': ['survival'],
  'survival-whole': ['survival'],
  feasibility: [],
  'feasibility-by': ['counts'],
  'feasibility-by-two': ['shares'],
  table1: ['means'],
  'table1-withheld': ['means'],
  'table1-whole': [],
  'log-rank': ['observed'],
  'log-rank-within': ['observed'],
  'k-means': ['centres'],
  'k-means-unscaled': ['centres'],
  'meta-analysis': ['pooled'],
  'meta-analysis-linear': ['pooled'],
  'cox-zph': ['forest'],
  'cox-pooled': ['forest'],
}

describe('the report of a result', () => {
  for (const title of TITLES)
    it(`of ${title} is one well-formed page with the right pictures, which needs nothing else`, () => {
      const page = pageOf(title)
      assert.deepEqual([...figures(page).keys()], PICTURES[title])
      assert.doesNotMatch(page, /https?:|<script|<link|<img|<iframe|@import|@font-face|url\(|\son[a-z]+=|javascript:/i)
      assert.doesNotMatch(page, /NaN|Infinity|undefined|\[object/)
      const root = parseMarkup(page)
      const policy = elements(root, 'meta').find((meta) => meta.attributes['http-equiv'] === 'Content-Security-Policy')
      assert.match(policy?.attributes['content'] ?? '', /^default-src 'none';/)
      const ids = [...page.matchAll(/\sid="([^"]+)"/g)].map((match) => match[1])
      assert.equal(new Set(ids).size, ids.length, 'an id twice')
      for (const svg of elements(root, 'svg')) {
        const width = Number(svg.attributes['viewBox']?.split(' ')[2])
        for (const { attributes } of elements(svg, 'text')) {
          const x = Number(attributes['x'])
          assert.ok(x >= -130 && x <= width + 4, `text at ${x} of ${width}`)
        }
      }
      assert.equal(pageOf(title), page, 'the same bytes again')
    })

  it('has a table of every analysis there is, and a picture of it', () => {
    for (const { name } of listAnalyses()) {
      const examples = TITLES.filter((title) => exampleResult(title).analysis === name)
      assert.ok(examples.length > 0, `${name} has no example`)
      assert.ok(
        examples.some((title) => PICTURES[title]?.length),
        `${name} has no picture`,
      )
      for (const title of examples) {
        const sections = elements(parseMarkup(pageOf(title)), 'section')
        const ids = sections.map(({ attributes }) => attributes['id'] ?? '').filter((id) => id.startsWith('table-'))
        assert.ok(ids.length > 0, `${title} has no table`)
        // numbers by themselves are all that a count of everyone is
        if (title !== 'feasibility') assert.ok(ids.length > 1, `${title} has but single numbers`)
      }
    }
  })

  it('says of every analysis in words what was done', () => {
    for (const title of TITLES) {
      const { analysis } = exampleResult(title)
      const method = listAnalyses().find(({ name }) => name === analysis)?.method
      assert.ok(method, analysis)
      const [section] = elements(parseMarkup(pageOf(title)), 'section').filter(
        ({ attributes }) => attributes['class'] === 'methods',
      )
      const said = textOf(section as Element).replaceAll('\u00a0', ' ')
      assert.ok(said.includes(`Dataset lung of 4 sites was analysed by ${method}, with flamesh 0.1.0`), said)
      assert.doesNotMatch(said, /undefined|object|\.\.|; ;| ,|was ;|by ;/, title)
    }
    const said = (title: string): string => textOf(parseMarkup(pageOf(title))).replaceAll('\u00a0', ' ')
    assert.match(said('cox-pooled'), /proportional hazards were tested against the Kaplan-Meier estimate of time\./)
    assert.match(
      said('meta-analysis'),
      /Each site fitted a Cox model to its own rows; the event was status = 1, timed by time/,
    )
    assert.match(said('k-means'), /The iteration ended after 3 steps, before it converged\./)
    const adjusted = 'p values are not adjusted'
    assert.deepEqual([said('logistic').includes(adjusted), said('quantiles').includes(adjusted)], [true, false])
  })

  it('has each hazard ratio with its interval, p and the reference levels', () => {
    const { result } = exampleResult('cox')
    const said = drawn(pageOf('cox'), 'forest')
    for (const [i, ratio] of (result.hazard_ratio as number[]).entries()) {
      assert.ok(said.includes(withInterval(ratio, result.hazard_ratio_low[i], result.hazard_ratio_high[i])))
      assert.ok(said.includes(pText(result.p[i])))
    }
    const names = said.slice(said.indexOf('age')).filter((one) => /^(age|sex|ph\.ecog|[0-3]|reference)$/.test(one))
    assert.deepEqual(names, ['age', 'sex', '1', 'reference', '2', 'ph.ecog', '0', 'reference', '1', '2'])
    assert.equal(marks(pageOf('cox'), 'forest', 'hollow').length, 2, 'a circle for each reference level')
    assert.doesNotMatch(drawn(pageOf('logistic'), 'forest').join(), /Intercept/)
  })

  it('says on what scale a coefficient is: a ratio by the name of its link and family, or that of the link', () => {
    const said = (title: string) => drawn(pageOf(title), 'forest').join('\n')
    assert.match(said('glm'), /rate ratio/)
    assert.match(said('glm-gamma'), /mean ratio/)
    assert.match(said('glm-probit'), /coefficient, on the scale of the link \(probit\)/)
    assert.match(said('linear'), /in units of er/)
  })

  it('has the curves, the median and how many are at risk after each time', () => {
    const { result } = exampleResult('survival')
    const page = pageOf('survival')
    const said = drawn(page, 'survival')
    const at = said.indexOf('at risk')
    const risks = (level: string): string[] =>
      (result.n_risk as number[]).filter((_, i) => result.level[i] === level).map(String)
    assert.deepEqual(said.slice(at + 1), ['sex 1', ...risks('1'), 'sex 2', ...risks('2')])
    assert.equal(marks(page, 'survival', 'curve').length, 4, 'a curve and its sample for each group')
    const finding = textOf(elements(figures(page).get('survival') as Element, 'p')[0] as Element)
    assert.match(finding, new RegExp(`sex 1 ${shortNumber(result.groups['1'].median)} .*Log-rank test: p.<.0.001`))
  })

  it('has the area, the calibration and Brier’s score', () => {
    const { result } = exampleResult('roc')
    const page = pageOf('roc')
    assert.ok(drawn(page, 'roc').includes(`AUC ${withInterval(result.auc, result.auc_ci_low, result.auc_ci_high)}`))
    assert.equal(marks(page, 'roc', 'ring').length, result.names.length - 1)
    assert.equal(marks(page, 'calibration', 'ring').length, result.names.length)
    assert.match(
      textOf(figures(page).get('calibration') as Element),
      new RegExp(`Brier’s score is ${shortNumber(result.brier, 3)}`),
    )
  })

  it('draws a bar for each count and a frame for each that is withheld', () => {
    const { result } = exampleResult('histogram-small')
    const page = pageOf('histogram-small')
    const hidden = (result.counts as (number | null)[]).filter((count) => count === null).length
    assert.ok(hidden > 0)
    assert.equal(marks(page, 'histogram', 'withheld').length, hidden)
    assert.equal(marks(page, 'histogram', 'bar-fill').length, result.counts.length - hidden)
    const tips = elements(figures(page).get('histogram') as Element, 'title').map(textOf)
    assert.ok(tips.includes(`60 to 65: ${result.counts[5]}`))
    assert.match(page, new RegExp(`${hidden}.numbers are withheld`))
    assert.ok(pageOf('describe').includes('Nothing was withheld'))
  })

  it('draws boxes of quartiles, means of groups, shares of rows, correlations and rates with their numbers', () => {
    const { quantiles } = exampleResult('quantiles').result
    assert.ok(drawn(pageOf('quantiles'), 'quantiles').includes(String(quantiles.age['0.5'].value)))
    assert.equal(marks(pageOf('quantiles'), 'quantiles', 'box').length, 3)
    const { describe: moments } = exampleResult('compare-means').result
    assert.ok(drawn(pageOf('compare-means'), 'means').some((one) => one.startsWith(fixed(moments.age.by['1'].mean))))
    assert.ok(drawn(pageOf('table'), 'shares').includes(`81.2\u00a0%`), '112 of 138')
    assert.ok(drawn(pageOf('table'), 'measures').includes('odds ratio'))
    const { matrix } = exampleResult('correlation').result
    assert.ok(drawn(pageOf('correlation'), 'correlations').includes(matrix.nodes.age.toFixed(2)))
    const { groups } = exampleResult('rates').result
    assert.ok(
      drawn(pageOf('rates'), 'strata').some((one) =>
        one.startsWith(`${groups.none.strata['under 40'].rate.toFixed(0)} (`),
      ),
    )
  })

  it('draws counts by name as bars, and frames those withheld', () => {
    const result = { names: ['sex=1', 'sex=2', 'other'], counts: [138, null, 7], n: 150, row_factor: { column: 'sex' } }
    const page = renderReport(result, factsOf('feasibility', {}))
    assert.deepEqual([...figures(page).keys()], ['counts'])
    assert.deepEqual([marks(page, 'counts', 'bar-fill').length, marks(page, 'counts', 'withheld').length], [2, 1])
    for (const text of ['138', 'withheld', '7']) assert.ok(drawn(page, 'counts').includes(text))
  })

  it('draws a meta-analysis as pooled values alone', () => {
    const fixed = {
      coef: 0.5,
      se: 0.1,
      p: 0.001,
      ci_low: 0.3,
      ci_high: 0.7,
      odds_ratio: 1.65,
      odds_ratio_low: 1.35,
      odds_ratio_high: 2.01,
    }
    const random = { ...fixed, prediction_low: -0.2, prediction_high: 1.2 }
    const result = {
      names: ['(Intercept)', 'age'],
      q: [3, 4],
      estimates: { '(Intercept)': { fixed }, age: { fixed, random } },
      n: 500,
    }
    const page = renderReport(result, factsOf('meta-analysis', {}))
    assert.deepEqual([...figures(page).keys()], ['pooled'])
    const said = drawn(page, 'pooled')
    assert.deepEqual(
      said.filter((one) => /^[a-z ]+$/.test(one) && one !== 'p' && one !== 'coefficient'),
      ['age', 'fixed effects', 'random effects', 'prediction'],
    )
    assert.ok(said.includes('1.65 (1.35 to 2.01)') && said.includes('1.65 (0.82 to 3.32)'))
    const heads = elements(parseMarkup(page), 'th').map(textOf)
    assert.ok(heads.includes('odds ratio\n(95 % interval)') && heads.includes('prediction interval'), heads.join())
  })

  it('begins with the characteristics where columns and factors are described', () => {
    const count = (n: number | null, percent: number | null) => ({ n, percent })
    const moments = { n: 100, mean: 62.4474, sd: 9.0735, variance: 82.3 }
    const result = {
      describe: { age: { ...moments, missing: 3, by: { '1': moments, '2': { ...moments, mean: null, sd: null } } } },
      factors: { ecog: { '0': count(63, 27.6), '1': count(113, 49.6) } },
      factors_missing: { ecog: 0 },
      factors_by: {
        ecog: {
          '0': { '1': count(36, 26.1), '2': count(null, null) },
          '1': { '1': count(71, 51.4), '2': count(42, 46.7) },
        },
      },
      comparison: { age: { p: 0.0656, smd: 0.2516 }, ecog: { p: 0.7, smd: null } },
      groups: { '1': 138, '2': 90 },
      by: { column: 'sex', levels: ['1', '2'] },
      rows: 228,
    }
    const root = parseMarkup(renderReport(result, factsOf('table1', {})))
    const [table] = elements(root, 'table')
    const rows = elements(table as Element, 'tr').map((row) => row.children.map((cell) => textOf(cell as Element)))
    assert.deepEqual(rows, [
      ['', 'everyone\n(n = 228)', 'sex 1\n(n = 138)', 'sex 2\n(n = 90)', 'p', 'SMD'],
      ['age, mean (SD); 3 missing', '62.45 (9.07)', '62.45 (9.07)', 'withheld', '0.066', '0.252'],
      ['ecog, n (%)', '', '', '', '0.700', '–'],
      ['\u20030', '63 (27.6)', '36 (26.1)', 'withheld', '', ''],
      ['\u20031', '113 (49.6)', '71 (51.4)', '42 (46.7)', '', ''],
    ])
  })

  it('tells who asked what of whom, under which rules, and how to prove it', () => {
    const facts = factsOf('cox', exampleResult('cox').parameters)
    const body = { ...facts.view.body, where: [{ column: 'age', operator: 'at-least' as const, values: [18] }] }
    const page = renderReport(exampleResult('cox').result, { ...facts, view: { ...facts.view, body } })
    const text = textOf(parseMarkup(page)).replaceAll('\u00a0', ' ')
    for (const expected of [
      'Dataset lung of 4 sites, restricted to rows with age at least 18, was analysed by Cox proportional hazards regression',
      'The event was status = 2, timed by time; covariates were age, sex (reference 1) and ph.ecog (reference 0)',
      '226 rows with 163 events entered; 2 rows with missing values were left out.',
      'at least 5 organisations, and counts from 1 to 4 were not released',
      'converged after 5 steps',
      'researcher-b (org-b)',
      'site-e (refused: policy-never)',
      JOB,
      'cd'.repeat(32),
      'flamesh receipt verify receipt.json --result result.json --hub-key KEY',
      'flamesh 0.1.0 on 2026-11-29',
      '"time": "time"',
    ])
      assert.ok(text.includes(expected), expected)
  })

  it('warns of a receipt that does not verify', () => {
    const findings = [{ check: 'result' as const, ok: false, message: 'these are <other> numbers' }]
    const page = pageOf('cox', {
      receipt: { sha256: 'cd'.repeat(32), report: { ok: false, findings, summary: undefined } },
    })
    assert.match(page, /role="alert"><b>The receipt does not verify.<\/b> result: these are &lt;other&gt; numbers/)
    assert.match(page, /class="alarm"/)
    assert.doesNotMatch(pageOf('cox'), /role="alert"/)
    assert.match(textOf(parseMarkup(pageOf('cox', { receipt: null }))), /there is none yet/)
  })
})

describe('names in a report', () => {
  const BAD = `</title></style><script>alert('1')</script>"&\u0000\u202eabc\u2066`
  const LONG = 'ward '.repeat(40)
  const hostile = ['ok', BAD, LONG, 'עברית ועוד', ...Array.from({ length: 36 }, (_, at) => `level ${at}`)]

  it('are text, however many, long or hostile they are', () => {
    const ones = hostile.map((_, at) => at + 1)
    const moments = { n: 20, mean: 3, sd: 1, variance: 1 }
    const results = [
      {
        names: hostile,
        coef: ones,
        ci_low: ones,
        ci_high: ones.map((one) => one + 1),
        p: ones.map(() => 0.5),
        outcome: BAD,
      },
      {
        rows: hostile,
        cols: hostile,
        counts_by_row: hostile.flatMap(() => ones),
        row_totals: hostile.map(() => 820),
        row_factor: { column: BAD },
        col_factor: { column: LONG },
      },
      {
        rows: hostile,
        cols: [BAD, LONG],
        counts_by_row: hostile.flatMap(() => [1, null]),
        row_totals: ones.map((one) => one + 1),
      },
      {
        describe: { [BAD]: { ...moments, by: Object.fromEntries(hostile.map((level) => [level, moments])) } },
        by: { column: BAD },
      },
      {
        time: ones,
        level: hostile,
        surv: ones.map((one) => 1 / one),
        n_risk: ones,
        lower: ones.map(() => null),
        upper: ones.map(() => null),
        names: hostile,
        time_column: BAD,
        event: { column: BAD, is: BAD },
        by: { column: BAD },
      },
      {
        quantiles: {
          [BAD]: { '0.25': { value: 1 }, '0.5': { value: 2 }, '0.75': { value: null, lower: 3, upper: 5 } },
        },
      },
      { [BAD]: { [BAD]: { [BAD]: 1 } }, [LONG]: BAD },
      { names: hostile, observed: ones, expected: ones, by: { column: BAD }, chisq: 1, df: 1, p: 0.3 },
      {
        names: hostile,
        size: ones,
        centers: Object.fromEntries(hostile.map((name) => [name, { [BAD]: 1, [LONG]: -1 }])),
      },
      {
        estimates: Object.fromEntries(
          hostile.map((name) => [
            name,
            { [BAD]: { coef: 1, ci_low: 0, ci_high: 2, prediction_low: -1, prediction_high: 3 } },
          ]),
        ),
        factors: [{ column: BAD, levels: hostile, reference: LONG }],
        i2: ones,
      },
      { logrank: { [BAD]: hostile, observed: ones }, rank: { level: hostile, observed: ones, [BAD]: BAD } },
    ]
    for (const result of results) {
      const facts = factsOf(BAD, { [BAD]: BAD })
      const view = { ...facts.view, name: BAD, purpose: BAD, researcher: BAD, organisation: BAD, dataset: BAD }
      const page = renderReport(result, { ...facts, view, sites: { [BAD]: { status: 'failed', code: BAD } } })
      const root = parseMarkup(page)
      assert.equal(elements(root, 'script').length, 0)
      assert.equal(elements(root, 'style').length, 1)
      assert.doesNotMatch(page, /[\u0000\u202a-\u202e\u2066-\u2069]|NaN|undefined/)
      assert.ok(textOf(root).includes(`</title></style><script>alert('1')</script>"&\ufffd\ufffdabc\ufffd`))
    }
  })

  it('of a shape that nobody knows are tables, without a picture', () => {
    const page = renderReport(
      { odd: { a: { x: 1.5 }, b: { x: null, y: 'text' } }, alone: 7, list: [1, 'two'] },
      factsOf('odd', {}),
    )
    assert.equal(figures(page).size, 0)
    const text = textOf(parseMarkup(page))
    for (const expected of ['1.5', 'text', 'alone7', 'list1; two']) assert.ok(text.includes(expected), expected)
  })
})

describe('numbers in a report', () => {
  it('are as a paper has them', () => {
    assert.deepEqual(
      [0, 3668, -0.5, 1.23456, 123456.7, 1.5e-7, -2e12].map((value) => shortNumber(value).replaceAll('\u00a0', ' ')),
      ['0', '3,668', '−0.5', '1.235', '123,457', '1.5 × 10⁻⁷', '−2 × 10¹²'],
    )
    assert.deepEqual(
      [0.00001, 0.0467, 0.9999].map((p) => pText(p).replaceAll('\u00a0', ' ')),
      ['< 0.001', '0.047', '> 0.999'],
    )
    assert.equal(withInterval(0.576, 0.4144, 0.8), '0.58 (0.41 to 0.80)')
    assert.equal(withInterval(-0.0287, -0.0601, 0.0027), '−0.0287 (−0.0601 to 0.0027)')
    assert.equal(withInterval(0.0234, -0.2438, 0.197), '0.02 (−0.24 to 0.20)')
    assert.equal(withInterval(8.171e-5, 4.25e-5, 1.571e-4).replaceAll('\u00a0', ' '), '8.17 (4.25 to 15.71) × 10⁻⁵')
    assert.equal(withInterval(1020, 300, 1020), '1,020 (300 to 1,020)')
    assert.deepEqual(alike([149.42, 146.04, 3, 0.5, 1e-7]), ['149.4', '146.0', '3', '0.5', '1\u00a0×\u00a010⁻⁷'])
    assert.deepEqual(
      [0, 0.0001, 0.27, 0.9999, 1].map((share) => percent(share).replaceAll('\u00a0', '')),
      ['0%', '<0.1%', '27.0%', '>99.9%', '100.0%'],
    )
    assert.equal(withInterval(-0.001, null, null), '−0.00100')
    assert.equal(withInterval(null, 1, 2), '–')
  })

  it('are on axes between any two of them', () => {
    const labels = ({ ticks }: ReturnType<typeof valueScale>) => ticks.map(({ label }) => label)
    assert.deepEqual(labels(valueScale(-60, 110, [0, 100], 4)), ['−100', '−50', '0', '50', '100', '150'])
    assert.deepEqual(labels(valueScale(0, 1020, [0, 100], 6, { tight: true })), [
      '0',
      '200',
      '400',
      '600',
      '800',
      '1,000',
    ])
    const small = valueScale(0, 4e-7, [0, 100], 4)
    assert.deepEqual([labels(small), small.unit], [['0', '1', '2', '3', '4'], '× 10⁻⁷'])
    assert.deepEqual(labels(ratioScale(0.96, 1.07, [0, 100], 5)), ['0.95', '1', '1.05', '1.1'])
    assert.deepEqual(labels(ratioScale(0.3, 4, [0, 100], 6)), ['0.2', '0.5', '1', '2', '5'])
    const scale = ratioScale(0.5, 1.9, [0, 100])
    assert.ok(
      Math.abs(scale.at(1) - scale.at(0.5) - (scale.at(2) - scale.at(1))) < 1e-9,
      'halving is as far as doubling',
    )
  })
})

describe('the files of a result', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flamesh-result-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const { view } = factsOf('cox', {})
  const asked = { view, hubKey: '11'.repeat(32), madeMs: 0 }
  const document = (changes: object) => ({
    job: JOB,
    status: 'released' as const,
    result: null,
    sites: {},
    receipt: null,
    ...changes,
  })

  it('are JSON, receipt, CSV and report, and a receipt that proves nothing is said to', async () => {
    const out = join(folder, 'new', 'place')
    const { result } = exampleResult('cox')
    const { files, reportFile } = await writeResultFiles(out, document({ result, receipt: '{}\n' }), asked)
    const names = ['result.json', 'receipt.json', 'result.csv', 'estimates.csv', 'report.html']
    assert.deepEqual(
      files,
      names.map((name) => join(out, name)),
    )
    assert.deepEqual(JSON.parse(readFileSync(join(out, 'result.json'), 'utf8')), JSON.parse(JSON.stringify(result)))
    assert.match(readFileSync(reportFile as string, 'utf8'), /The receipt does not verify/)
  })

  it('of a job without a result are its receipt alone', async () => {
    const written = await writeResultFiles(folder, document({ receipt: '{}\n' }), asked)
    assert.deepEqual([written.files, written.reportFile], [[join(folder, 'receipt.json')], undefined])
  })

  it('cannot be written into a file', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    await assert.rejects(
      writeResultFiles(file, document({ receipt: '{}\n' }), asked),
      (error: unknown) => error instanceof FlameshError && error.code === 'file-unusable',
    )
  })
})
