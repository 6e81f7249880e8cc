import assert from 'node:assert/strict'
import { DATE_FORMATS, type DateFormat, type Reading, readerOf } from '@flamesh/node/data/values.js'
import fc from 'fast-check'

const numbers = (decimal: '.' | ',', thousands?: '.' | ',' | ' ' | "'") =>
  readerOf({ as: 'number', decimal, ...(thousands && { thousands }) } as Reading)

describe('values', () => {
  it('reads numbers with the declared signs and no others', () => {
    const cases: readonly (readonly [ReturnType<typeof numbers>, string, number | undefined])[] = [
      [numbers('.'), '1.5', 1.5],
      [numbers('.'), '-.5e-3', -0.0005],
      [numbers('.'), '-0', 0],
      [numbers('.'), '1,5', undefined],
      [numbers('.'), '1,234', undefined],
      [numbers('.'), '0x10', undefined],
      [numbers('.'), '1e999', undefined],
      [numbers('.'), '12345678901234567890', undefined],
      [numbers('.'), 'Infinity', undefined],
      [numbers(','), '1,5', 1.5],
      [numbers(','), ',5', 0.5],
      [numbers(','), '1.5', undefined],
      [numbers(','), '1,5,5', undefined],
      [numbers(','), '12345678901234567890', undefined],
      [numbers(',', '.'), '1.234.567,25', 1234567.25],
      [numbers(',', '.'), '1234,5', 1234.5],
      [numbers(',', '.'), '1.5', undefined],
      [numbers(',', '.'), '12.34', undefined],
      [numbers(',', '.'), '1.2345', undefined],
      [numbers('.', ','), '1,234.5', 1234.5],
      [numbers('.', "'"), "12'345", 12345],
      [numbers('.', ' '), '12\u202f345', 12345],
      [numbers('.', ' '), '12 34', undefined],
    ]
    for (const [read, cell, value] of cases) assert.ok(Object.is(read(cell), value), cell)
  })

  it('reads any number as JavaScript writes it, with either decimal sign', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (value) => {
        fc.pre(!/^-?\d{16,}$/.test(String(value)))
        assert.equal(numbers('.')(String(value)), value === 0 ? 0 : value)
        assert.equal(numbers(',')(String(value).replace('.', ',')), value === 0 ? 0 : value)
      }),
    )
  })

  it('reads days of the calendar in every format, counted from the epoch', () => {
    const write: Readonly<Record<DateFormat, (y: string, m: string, d: string) => string>> = {
      'yyyy-mm-dd': (y, m, d) => `${y}-${m}-${d}`,
      'dd.mm.yyyy': (y, m, d) => `${d}.${m}.${y}`,
      'dd/mm/yyyy': (y, m, d) => `${d}/${m}/${y}`,
      'mm/dd/yyyy': (y, m, d) => `${m}/${d}/${y}`,
      yyyymmdd: (y, m, d) => `${y}${m}${d}`,
    }
    fc.assert(
      fc.property(fc.integer({ min: -719_000, max: 2_900_000 }), fc.constantFrom(...DATE_FORMATS), (days, format) => {
        const [y = '', m = '', d = ''] = new Date(days * 86_400_000).toISOString().slice(0, 10).split('-')
        const cell = write[format](y, m, d)
        assert.equal(readerOf({ as: 'date', format, epoch: '1970-01-01' })(cell), days)
        assert.equal(readerOf({ as: 'date', format, epoch: '1900-01-01' })(cell), days + 25_567)
      }),
    )
  })

  it('takes no day that is none, and no other format', () => {
    const read = (format: DateFormat, cell: string) => readerOf({ as: 'date', format, epoch: '1970-01-01' })(cell)
    assert.equal(read('yyyy-mm-dd', '2000-02-29'), 11_016)
    for (const [format, cell] of [
      ['yyyy-mm-dd', '1900-02-29'],
      ['yyyy-mm-dd', '2001-00-01'],
      ['yyyy-mm-dd', '2001-01-01T10:00'],
      ['dd.mm.yyyy', '31.04.2020'],
      ['dd.mm.yyyy', '1.1.20'],
      ['mm/dd/yyyy', '31/12/2020'],
      ['dd/mm/yyyy', '12/31/2020'],
      ['yyyymmdd', '2020011'],
    ] as const)
      assert.equal(read(format, cell), undefined, cell)
  })
})
