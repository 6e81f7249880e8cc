import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatasetStore, loadRows } from '@flamesh/node/data/datasets.js'
import { type Declaration, readDeclaration } from '@flamesh/node/data/declaration.js'
import { type Derive, deriveSchema, labelsOf } from '@flamesh/node/data/derive.js'
import { openRows, proposeSchema } from '@flamesh/node/data/schema.js'
import type { Value } from '@flamesh/node/data/values.js'
import fc from 'fast-check'

describe('derived columns', () => {
  let folder: string
  let file: string
  let store: DatasetStore
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'flamesh-derive-'))
    file = join(folder, 'data.csv')
    store = await DatasetStore.open(join(folder, 'datasets'), new Uint8Array(32).fill(1))
  })
  after(() => rm(folder, { recursive: true }))

  async function derive(text: string, declaration: Declaration) {
    await writeFile(file, text)
    const proposal = await proposeSchema(file, declaration)
    const values: Record<string, Value[]> = Object.fromEntries(proposal.columns.map(({ name }) => [name, []]))
    for await (const batch of (await openRows(proposal)).batches) {
      for (const row of batch) {
        for (const [index, { name }] of proposal.columns.entries()) values[name]!.push(row[index])
      }
    }
    return { proposal, values }
  }

  it('maps levels, converts units, cuts numbers and subtracts days', async () => {
    const text =
      'GESCHLECHT;lb;age;born;died\nm;100;39;1.1.1950;2.1.1950\nw;NA;40;NA;3.1.1950\nx;0;0;5.1.1950;4.1.1950\n'
    const { proposal, values } = await derive(text, {
      columns: { GESCHLECHT: { keep: false }, born: { keep: false } },
      derive: {
        sex: { from: 'GESCHLECHT', map: { m: 'male', w: 'female' }, otherwise: null },
        kg: { from: 'lb', times: 0.5, plus: 1 },
        age: { from: 'age', cut: [0, 40] },
        days: { from: 'died', since: 'born' },
        male: { from: 'GESCHLECHT', map: { m: 1, w: 0, x: null } },
      },
    })
    assert.deepEqual(values, {
      lb: [100, undefined, 0],
      died: [-7304, -7303, -7302],
      sex: ['male', 'female', undefined],
      kg: [51, undefined, 1],
      age: ['[0,40)', '40+', '[0,40)'],
      days: [1, undefined, -1],
      male: [1, 0, undefined],
    })
    assert.deepEqual(proposal.columns.map(({ name, type, missing, note }) => [name, type, missing, note]).slice(2), [
      ['sex', 'level', 1, 'GESCHLECHT: m → male, w → female'],
      ['kg', 'number', 1, 'lb × 0.5 + 1'],
      ['age', 'level', 0, 'age cut at 0, 40'],
      ['days', 'integer', 1, 'died − born'],
      ['male', 'integer', 1, 'GESCHLECHT: m → 1, w → 0, x → nothing'],
    ])
  })

  it('lets sites with other codings, separators and units have the same rows', async () => {
    const german = 'geschl;gewicht;alter\nm;80,5;41\nw;60,25;7\n1;70;NA\n'
    const english = 'sex,weight_g,age\n1,80500,41\n2,60250,7\n1,70000,\n'
    const [a, b] = [
      await derive(german, {
        columns: { geschl: { keep: false }, gewicht: { keep: false }, alter: { keep: false } },
        derive: {
          sex: { from: 'geschl', map: { m: 'male', w: 'female', 1: 'male' } },
          weight: { from: 'gewicht', times: 1 },
          group: { from: 'alter', cut: [0, 18], labels: ['child', 'adult'] },
        },
      }),
      await derive(english, {
        columns: { weight_g: { keep: false }, age: { keep: false } },
        derive: {
          sex: { from: 'sex', map: { '01': 'male', 2: 'female' } },
          weight: { from: 'weight_g', times: 0.001 },
          group: { from: 'age', cut: [0, 18], labels: ['child', 'adult'] },
        },
      }),
    ]
    assert.deepEqual(a.values, b.values)
    const levels = ({ proposal }: typeof a) => proposal.columns.map(({ name, type, levels }) => [name, type, levels])
    assert.deepEqual(levels(a), levels(b))
  })

  it('stores what was derived and nothing of what was not kept, in a version of its own', async () => {
    const text = `birth,x\n${Array.from({ length: 20 }, (_, row) => `19${50 + row}-01-01,${row}`).join('\n')}\n`
    await writeFile(file, text)
    const declaration = (map: Record<string, string>): Declaration => ({
      columns: { birth: { keep: false } },
      derive: { half: { from: 'x', cut: [0, 10] }, y: { from: 'x', map, otherwise: 'other' } },
    })
    const first = await store.add('d', await proposeSchema(file, declaration({ 1: 'one' })))
    assert.deepEqual(first.columns, [
      { name: 'x', type: 'integer' },
      { name: 'half', type: 'level', levels: ['10+', '[0,10)'] },
      { name: 'y', type: 'level', levels: ['other'] },
    ])
    const rows = loadRows(store.folder, 'd', first.version, new Set(['birth', 'half', 'y']), 1 << 20)
    assert.deepEqual([...rows.columns.keys()], ['half', 'y'])
    assert.deepEqual((rows.columns.get('half') as string[]).slice(9, 11), ['[0,10)', '10+'])
    assert.deepEqual((await store.show('d')).declaration, declaration({ 1: 'one' }))
    const second = await store.add('d', await proposeSchema(file, declaration({ 1: 'one', 99: 'never' })))
    assert.notEqual(second.version, first.version, 'another mapping is another version')
    assert.deepEqual((await store.diff('d')).rows, { same: 20, removed: 0, added: 0 })
    await store.verify('d')
  })

  const failures: readonly (readonly [string, string, Derive, number, RegExp])[] = [
    ['a value that is not mapped', 'a\n"m\nm"\nneedle\n', { from: 'a', map: { 'm\nm': 'male' } }, 4, /no mapping/],
    ['a number below the first cut', 'a\n5\n\n-1\n', { from: 'a', cut: [0] }, 4, /below the first cut/],
    ['a number too large', 'a\n5\n1e300\n', { from: 'a', times: 1e10 }, 3, /finite/],
  ]
  for (const [what, text, one, line, message] of failures) {
    it(`names line and column of ${what}`, async () => {
      await assert.rejects(derive(text, { derive: { d: one } }), (error: Error & { code: string; meta: object }) => {
        assert.equal(error.code, 'csv-value')
        assert.deepEqual(error.meta, { file, line, column: 'd' })
        assert.match(error.message, message)
        assert.doesNotMatch(error.message, /needle/)
        return true
      })
    })
  }

  it('refuses what cannot be meant', async () => {
    const wrong: readonly unknown[] = [
      { from: 'a' },
      { from: 'a', map: { x: 'y' }, times: 2 },
      { from: 'a', cut: [2, 1] },
      { from: 'a', cut: [1, 2], labels: ['x'] },
      { from: 'a', cut: [1, 2], labels: ['x', 'x'] },
      { from: 'a', map: { x: 'y', z: 1 } },
      { from: 'a', map: { x: '' } },
      { from: 'a', times: 2, otherwise: 'x' },
      { from: 'a', cut: [1], otherwise: 3 },
      { from: 'a', expression: 'a + 1' },
    ]
    for (const one of wrong) assert.equal(deriveSchema.safeParse(one).success, false, JSON.stringify(one))
    const text = 'a,b\nx,1\ny,2\n'
    for (const one of [
      { from: 'c', times: 2 },
      { from: 'a', times: 2 },
      { from: 'a', cut: [1] },
      { from: 'b', since: 'a' },
      { from: 'b', since: 'd' },
    ]) {
      await assert.rejects(derive(text, { derive: { d: one } }), {
        code: 'declaration-invalid',
        meta: { path: 'derive.d' },
      })
    }
    const tooMany = Object.fromEntries(Array.from({ length: 41 }, (_, at) => [at, `l${at}`]))
    const many = `a\n${Object.keys(tooMany).join('\n')}\n`
    await assert.rejects(derive(many, { derive: { d: { from: 'a', map: tooMany } } }), { code: 'too-many-levels' })
  })

  it('names the place of a mistake in the file of declarations', async () => {
    const yaml = join(folder, 'd.yaml')
    for (const [text, line, column] of [
      ['derive:\n  sex: { from: a, mpa: { m: male } }\n', 2, 24],
      ['derive:\n  sex:\n    from: a\n    cut: [3, 2]\n', 4, 10],
      ['derive:\n  sex: { from: a }\n', 2, 8],
    ] as const) {
      await writeFile(yaml, text)
      await assert.rejects(readDeclaration(yaml), (error: { code: string; meta: { line: number; column: number } }) => {
        assert.deepEqual([error.code, error.meta.line, error.meta.column], ['declaration-invalid', line, column])
        return true
      })
    }
  })

  it('cuts any number into the group it belongs to', async () => {
    const cuts = fc.uniqueArray(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 6 })
    await fc.assert(
      fc.asyncProperty(cuts, fc.array(fc.integer({ min: -60, max: 60 }), { minLength: 1 }), async (some, numbers) => {
        const cut = some.sort((a, b) => a - b)
        const { values } = await derive(`a\n${numbers.join('\n')}\n`, {
          derive: { group: { from: 'a', cut, otherwise: 'below' } },
        })
        const labels = labelsOf({ cut })
        for (const [row, number] of numbers.entries()) {
          const above = cut.filter((one) => one <= number).length
          assert.equal(values['group']![row], above === 0 ? 'below' : labels[above - 1])
        }
      }),
      { numRuns: 40 },
    )
  })
})
