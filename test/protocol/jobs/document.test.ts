import assert from 'node:assert/strict'
import { decimalString } from '@flamesh/protocol/encoding/decimal.js'
import { canonicalValue, durationMs, readDocument, suggest } from '@flamesh/protocol/jobs/document.js'
import fc from 'fast-check'
import { thrown, thrownCode } from './support.js'

const MINIMAL = { name: 'n', analysis: 'describe', dataset: 'lung' }

describe('job document', () => {
  it('fills in what is left out', () => {
    assert.deepEqual(readDocument(MINIMAL), {
      ...MINIMAL,
      purpose: '',
      where: [],
      parameters: {},
      cohort: { sites: 'any', approveWithin: 600_000 },
      opening: 'committee',
      submitWithin: 120_000,
      privacy: { mechanism: 'none' },
      minimumCell: 5,
      maxColluding: 1,
      expires: 7_200_000,
    })
  })

  it('reads every comparison, several in one entry too', () => {
    const { where } = readDocument({
      ...MINIMAL,
      where: [
        { column: 'age', 'at-least': 18, below: 65.5 },
        { column: 'sex', in: ['f', 'm'] },
        { column: 'ecog', present: true },
        { column: 'status', 'is-not': 2 },
      ],
    })
    assert.deepEqual(where, [
      { column: 'age', operator: 'at-least', values: [18] },
      { column: 'age', operator: 'below', values: ['65.5'] },
      { column: 'sex', operator: 'in', values: ['f', 'm'] },
      { column: 'ecog', operator: 'present', values: [] },
      { column: 'status', operator: 'is-not', values: [2] },
    ])
  })

  const mistakes: readonly [string, unknown, string, RegExp][] = [
    ['no mapping', [MINIMAL], '', /./],
    ['no document', null, '', /./],
    ['a missing field', { name: 'n', analysis: 'describe' }, 'dataset', /missing/],
    ['a field in the wrong type', { ...MINIMAL, dataset: 7 }, 'dataset', /expected string/],
    ['a misspelt field', { ...MINIMAL, cohorts: {} }, 'cohorts', /"cohort"/],
    ['a misspelt field in another style', { ...MINIMAL, 'minimum-cell': 7 }, 'minimum-cell', /"minimumCell"/],
    ['a field of another place', { ...MINIMAL, cohort: { minimun: 5 } }, 'cohort.minimun', /"minimum"/],
    ['an unknown comparison', { ...MINIMAL, where: [{ column: 'age', atleast: 5 }] }, 'where[0].atleast', /"at-least"/],
    ['a comparison with nothing', { ...MINIMAL, where: [{ column: 'age' }] }, 'where[0]', /at-least/],
    ['a condition without a column', { ...MINIMAL, where: [{ is: 3 }] }, 'where[0].column', /missing/],
    ['an order of words', { ...MINIMAL, where: [{ column: 'age', above: 'old' }] }, 'where[0].above', /./],
    ['an empty list', { ...MINIMAL, where: [{ column: 'age', in: [] }] }, 'where[0].in', /./],
    ['a word that YAML reads as true', { ...MINIMAL, where: [{ column: 'x', is: true }] }, 'where[0].is', /quote/],
    ['present: false', { ...MINIMAL, where: [{ column: 'x', present: false }] }, 'where[0].present', /./],
    ['a number for a duration', { ...MINIMAL, expires: 7200 }, 'expires', /2h/],
    ['an unknown unit', { ...MINIMAL, cohort: { approveWithin: '2 weeks' } }, 'cohort.approveWithin', /2h/],
    ['a cohort of two', { ...MINIMAL, cohort: { minimum: 2 } }, 'cohort.minimum', /3/],
    ['a lower smallest cell', { ...MINIMAL, minimumCell: 1 }, 'minimumCell', /5/],
    ['an unknown dropout', { ...MINIMAL, dropout: 'continue' }, 'dropout', /pause/],
    ['an unknown opening', { ...MINIMAL, opening: 'everybody' }, 'opening', /committee/],
    ['a date', { ...MINIMAL, where: [{ column: 'x', is: new Date(0) }] }, 'where[0].is', /./],
  ]
  for (const [what, document, path, said] of mistakes) {
    it(`explains ${what}`, () => {
      const error = thrown(() => readDocument(document))
      assert.equal(error.code, 'job-invalid')
      assert.equal(error.meta['path'], path)
      assert.match(`${error.message} ${error.hint ?? ''}`, said)
      assert.ok(error.message.startsWith(path))
    })
  }

  it('is about a built-in analysis or an image, and has the fields of that one', () => {
    const image = { image: `registry.example/x@sha256:${'0'.repeat(64)}`, dataset: 'lung', name: 'x' }
    const { analysis: _, ...rest } = MINIMAL
    const about = (document: unknown): unknown => thrown(() => readDocument(document)).meta['path']
    assert.equal(about(rest), 'analysis')
    assert.equal(about(image), 'columns')
    assert.equal(about({ ...MINIMAL, image: image.image, columns: ['age'] }), 'image')
    assert.equal(about({ ...MINIMAL, columns: ['age'] }), 'columns')
    assert.equal(about({ ...MINIMAL, rounds: 3 }), 'rounds')
    assert.deepEqual(readDocument({ ...image, columns: ['age'], rounds: 3 }).columns, ['age'])
  })

  it('refuses by name what this version does not offer', () => {
    assert.equal(
      thrownCode(() => readDocument({ ...MINIMAL, opening: 'recipients' })),
      'opening-not-offered',
    )
    assert.equal(
      thrownCode(() => readDocument({ ...MINIMAL, privacy: { mechanism: 'skellam', epsilon: 1 } })),
      'privacy-not-offered',
    )
    assert.equal(
      thrownCode(() => readDocument({ ...MINIMAL, privacy: 'skellam' })),
      'privacy-not-offered',
    )
    assert.equal(
      thrownCode(() => readDocument({ ...MINIMAL, privacy: null })),
      'job-invalid',
    )
  })

  it('never ends in anything but a document or a named error', () => {
    fc.assert(
      fc.property(
        fc.anything(),
        fc.constantFrom('name', 'where', 'parameters', 'cohort', 'privacy', 'expires', 'x'),
        (value, field) => {
          for (const document of [value, { ...MINIMAL, [field]: value }]) {
            try {
              readDocument(document)
            } catch {
              assert.match(
                thrownCode(() => readDocument(document)),
                /^(job-invalid|(opening|privacy)-not-offered)$/,
              )
            }
          }
        },
      ),
    )
  })

  it('knows durations', () => {
    assert.deepEqual(
      ['250ms', '30s', '10m', '2h', '7d'].map(durationMs),
      [250, 30_000, 600_000, 7_200_000, 604_800_000],
    )
    assert.deepEqual(
      ['', '2', 'h', '-2h', '1.5h', '2h30m', ' 2h', '2H', '1e3s'].map(durationMs),
      Array(9).fill(undefined),
    )
  })

  it('writes numbers as decimals that read back as the same number, without an exponent', () => {
    for (const [x, text] of [
      [0.5, '0.5'],
      [-0.05, '-0.05'],
      [1e-7, '0.0000001'],
      [-1.5e-7, '-0.00000015'],
      [1e21, '1000000000000000000000'],
      [12.5, '12.5'],
      [1.25e22, '12500000000000000000000'],
    ] as const) {
      assert.equal(decimalString(x), text)
    }
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => {
        const text = decimalString(x)
        assert.match(text, /^-?\d+(\.\d+)?$/)
        assert.equal(Number(text), x === 0 ? 0 : x)
      }),
    )
  })

  it('takes plain data only as parameters', () => {
    assert.deepEqual(canonicalValue({ a: [1, 2.5, -0, null, 'x', true] }, 'parameters'), {
      a: [1, '2.5', 0, null, 'x', true],
    })
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, undefined, new Date(0), new Map(), 1n, () => 0]) {
      const error = thrown(() => canonicalValue({ a: [value] }, 'parameters'))
      assert.equal(error.code, 'job-invalid')
      assert.equal(error.meta['path'], 'parameters.a[0]')
    }
  })

  it('suggests the near miss, or what there is', () => {
    assert.equal(suggest('descibe', ['cox', 'describe']), 'did you mean "describe"?')
    assert.equal(suggest('ph_ecog', ['age', 'ph.ecog']), 'did you mean "ph.ecog"?')
    assert.equal(suggest('zebra', ['cox', 'age']), 'possible: age, cox')
    assert.equal(suggest('zebra', []), undefined)
  })
})
