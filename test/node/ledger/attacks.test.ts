/** Attacks on single rows by what a site hands on, with and without its ledger. All other sites of a sum cancel in a difference. */
import assert from 'node:assert/strict'
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { sha256Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import type { Condition } from '@flamesh/protocol/jobs/where.js'
import type { Runner } from '@flamesh/protocol/ports.js'
import { atLeast, below, csvOf, patients, Site, type Sum, sumOf } from './site.js'

const EVERYONE = patients(40)
const difference = (a: Sum | string, b: Sum | string): Sum => {
  assert.ok(typeof a !== 'string' && typeof b !== 'string', `${JSON.stringify(a)}, ${JSON.stringify(b)}`)
  return { n: b.n - a.n, total: b.total - a.total }
}

describe('the ledger of a site', function () {
  this.timeout(60_000)
  let site: Site
  beforeEach(async () => {
    site = await Site.open(csvOf(EVERYONE))
  })
  afterEach(() => site.close())

  it('keeps one patient between two questions from being told by their difference', async () => {
    const attack: readonly Condition[][] = [[below(50)], [below(51)]]
    const [a, b] = [await site.ask(attack[0] ?? [], site.plain), await site.ask(attack[1] ?? [], site.plain)]
    assert.deepEqual(difference(a, b), { n: 1, total: 50 }, 'the patient of 50')
    assert.deepEqual(await site.ask(attack[0] ?? []), a)
    assert.equal(await site.ask(attack[1] ?? []), 'zeros')
    // in the other order, and again: what was handed on may be handed on again
    assert.deepEqual(await site.ask(attack[0] ?? []), a)
    assert.notEqual(await site.ask([below(55)]), 'zeros', 'five patients more are enough')
  })

  it('keeps a patient whom a question selects, or all but whom it selects, out of every sum', async () => {
    const one: Condition = { column: 'weight', operator: 'is', values: [61] }
    const others: Condition = { column: 'weight', operator: 'is-not', values: [61] }
    assert.equal(await site.ask([one]), 'zeros')
    assert.notEqual(await site.ask([]), 'zeros')
    assert.equal(await site.ask([others]), 'zeros')
    assert.equal(await site.ask([{ ...one, operator: 'above', values: [53] }]), 'zeros', 'four at the other end')
    assert.notEqual(await site.ask([{ ...one, operator: 'above', values: [54] }]), 'zeros')
  })

  it('looks at each side of two questions that overlap, if the policy says so', async () => {
    assert.notEqual(await site.ask([below(54)]), 'zeros')
    const preview = (where: readonly Condition[]) => site.contribute(site.request(where, { preview: true })).then(sumOf)
    assert.notEqual(await preview([atLeast(33)]), 'zeros')
    site.rule = { ...site.rule, eachSide: true }
    assert.equal(await site.ask([atLeast(33)]), 'zeros', 'three are below 33, though sixteen are 54 and older')
    assert.notEqual(await site.ask([atLeast(35)]), 'zeros')
  })

  it('adds up what two earlier questions left', async () => {
    // 30–49 and 50–69 are all, but for the patient of 49
    const [a, b, all] = [[below(49)], [atLeast(50)], [] as Condition[]]
    const [x, y, z] = [await site.ask(a, site.plain), await site.ask(b, site.plain), await site.ask(all, site.plain)]
    assert.ok(typeof x !== 'string' && typeof y !== 'string' && typeof z !== 'string')
    assert.deepEqual({ n: z.n - x.n - y.n, total: z.total - x.total - y.total }, { n: 1, total: 49 })
    assert.notEqual(await site.ask(a), 'zeros')
    assert.notEqual(await site.ask(b), 'zeros')
    assert.equal(await site.ask(all), 'zeros')
  })

  it('lets the same rows be asked for again, by whatever question', async () => {
    const first = await site.ask([])
    for (const where of [
      [],
      [atLeast(1)],
      [below(500)],
      [{ column: 'sex', operator: 'in' as const, values: ['f', 'm'] }],
    ])
      assert.deepEqual(await site.ask(where), first)
  })

  it('asks for as many rows as the policy says', async () => {
    site.rule = { ...site.rule, minimum: 12 }
    assert.notEqual(await site.ask([]), 'zeros')
    assert.equal(await site.ask([atLeast(41)]), 'zeros')
    assert.notEqual(await site.ask([atLeast(42)]), 'zeros')
    // a stricter policy holds against what was handed on before, in whatever else is asked of these rows
    site.rule = { ...site.rule, minimum: 13 }
    assert.notEqual(await site.ask([]), 'zeros')
    site.asked = 'b5'.repeat(32)
    assert.equal(await site.ask([]), 'zeros')
  })

  it('answers the same question of the same rows the same way, though the demanded difference is another', async () => {
    // else the difference of the two sums would be the whole vector of this site
    const before = await site.ask([])
    const close = [atLeast(37)]
    assert.notEqual(await site.ask(close), 'zeros', 'seven rows fewer')
    site.rule = { ...site.rule, minimum: 10 }
    assert.deepEqual(await site.ask([]), before)
    assert.deepEqual(await site.ask([below(500)]), before)
    assert.equal(await site.ask([atLeast(34)]), 'zeros')
    site.rule = { ...site.rule, minimum: 3 }
    assert.equal(await site.ask([atLeast(34)]), 'zeros')
    assert.equal(await site.ask([atLeast(34), below(500)]), 'zeros')
  })

  it('tells the operator what would leave, and enters nothing for that', async () => {
    assert.notEqual(await site.ask([]), 'zeros')
    const preview = site.request([below(69)], { preview: true })
    const outcome = await site.contribute(preview)
    assert.ok(outcome.ok && outcome.values.every((value) => value === 0))
    assert.equal(site.entry(preview.job), undefined)
    const other = site.request([below(60)], { preview: true })
    assert.ok((await site.contribute(other)).ok)
    assert.notEqual(await site.ask([below(61)]), 'zeros', 'a preview is no question')
  })

  describe('of sums by level', () => {
    const male: Condition = { column: 'sex', operator: 'is', values: ['m'] }
    const bySex = { column: 'sex', levels: ['f', 'm'] }
    const ages = (from: number, to: number) => ({
      column: 'age',
      levels: Array.from({ length: to - from }, (_, at) => String(from + at)),
    })
    /** Of ages by a factor what a job hands on, slot by slot. */
    const askBy = async (by: object, where: readonly Condition[] = [], runner?: Runner) => {
      const parameters = { columns: ['age'], by }
      site.asked = sha256Hex(utf8ToBytes(JSON.stringify(parameters)))
      const outcome = await site.contribute(site.request(where, { parameters }), runner)
      assert.ok(outcome.ok, JSON.stringify(outcome))
      const slots =
        findAnalysis('describe')
          ?.plan(parameters, undefined)
          .slots.map(({ name }) => name) ?? []
      if (outcome.values.every((value) => value === 0)) return 'zeros'
      return (name: string): number =>
        slots.reduce((sum, slot, at) => (slot.startsWith(name) ? sum + (outcome.values[at] as number) : sum), 0)
    }
    const ask = (where: readonly Condition[], runner?: Runner) => {
      site.asked = 'a5'.repeat(32)
      return site.ask(where, runner)
    }

    it('keeps a patient from being told by the levels that a factor names, which choose rows as conditions do', async () => {
      const [a, b] = [await askBy(ages(30, 42), [], site.plain), await askBy(ages(30, 41), [], site.plain)]
      assert.ok(typeof a === 'function' && typeof b === 'function')
      assert.deepEqual([a('n age') - b('n age'), a('Σ age,') - b('Σ age,')], [1, 41], 'the patient of 41')
      assert.notEqual(await askBy(ages(30, 42)), 'zeros')
      assert.equal(await askBy(ages(30, 41)), 'zeros')
      assert.equal(await askBy(ages(30, 41), [below(60)]), 'zeros')
      assert.equal(await ask([below(41)]), 'zeros')
      await site.restart()
      assert.equal(await askBy(ages(31, 42)), 'zeros')
      assert.notEqual(await askBy(ages(30, 36)), 'zeros', 'six fewer')
    })

    it('keeps one from being told by a level less a condition on it, in either order', async () => {
      const others: Condition[] = [male, { column: 'weight', operator: 'is-not', values: [61] }]
      const [a, b] = [await askBy(bySex, [], site.plain), await ask(others, site.plain)]
      assert.ok(typeof a === 'function' && typeof b !== 'string')
      assert.deepEqual([a('n age, sex=m') - b.n, a('Σ age, sex=m') - b.total], [1, 41], 'the patient of 61 kg')
      assert.notEqual(await askBy(bySex), 'zeros')
      assert.equal(await ask(others), 'zeros')
      assert.notEqual(await ask([male]), 'zeros', 'all of a level')
      assert.notEqual(await ask([male, below(61)]), 'zeros', 'five of them fewer')
      await site.close()
      site = await Site.open(csvOf(EVERYONE))
      assert.notEqual(await ask(others), 'zeros')
      assert.equal(await askBy(bySex), 'zeros')
      assert.notEqual(await askBy(bySex, [below(60)]), 'zeros', 'men below 60 are eight fewer')
    })

    it('of a bound that is moved: what levels have of the difference is looked at if the policy says so', async () => {
      // six patients of 30 to 35, one of them a man
      const sexOf = (at: number): string => (at < 7 ? (at === 3 ? 'm' : 'f') : at % 2 === 0 ? 'f' : 'm')
      await site.load(csvOf(EVERYONE.map((one, at) => ({ ...one, sex: sexOf(at + 1) }))))
      const [all, fewer] = [await askBy(bySex, [], site.plain), await askBy(bySex, [atLeast(36)], site.plain)]
      assert.ok(typeof all === 'function' && typeof fewer === 'function')
      assert.deepEqual(all('Σ age, sex=m') - fewer('Σ age, sex=m'), 32)
      assert.notEqual(await askBy(bySex), 'zeros')
      assert.notEqual(await askBy(bySex, [atLeast(36)]), 'zeros', 'six patients are enough, of whom one is a man')
      await site.close()
      site = await Site.open(csvOf(EVERYONE.map((one, at) => ({ ...one, sex: sexOf(at + 1) }))))
      site.rule = { ...site.rule, eachSide: true }
      assert.notEqual(await askBy(bySex), 'zeros')
      assert.equal(await askBy(bySex, [atLeast(36)]), 'zeros')
      assert.notEqual(await ask([atLeast(36)]), 'zeros', 'without levels')
    })

    it('and by levels of two factors', async () => {
      await site.load(csvOf(EVERYONE, (line, at) => (at === 0 ? `${line},arm` : `${line},${at % 4 < 2 ? 'a' : 'b'}`)))
      const parameters = { rows: { column: 'arm', levels: ['a', 'b'] }, columns: bySex }
      site.asked = 'c5'.repeat(32)
      const table = await site.contribute(site.request([], { analysis: 'table', parameters }))
      assert.ok(table.ok && table.values[0] === 1)
      const cell: Condition[] = [male, { column: 'arm', operator: 'is', values: ['a'] }]
      assert.equal(await ask([...cell, { column: 'weight', operator: 'is-not', values: [61] }]), 'zeros')
      assert.notEqual(await ask(cell), 'zeros')
    })

    it('lets what users ask pass: levels that were announced, of the same rows, and rare ones that were not', async () => {
      const stage = (at: number): string => (at < 3 ? 'x' : at % 4 < 2 ? 'a' : 'b')
      await site.load(csvOf(EVERYONE, (line, at) => (at === 0 ? `${line},stage` : `${line},${stage(at)}`)))
      assert.notEqual(await ask([]), 'zeros')
      assert.notEqual(await askBy(bySex), 'zeros')
      assert.notEqual(await askBy({ column: 'stage', levels: ['a', 'b'] }), 'zeros', 'nobody left x out')
      assert.notEqual(await askBy({ column: 'stage', levels: ['a', 'b', 'x'] }), 'zeros')
      assert.notEqual(await askBy({ column: 'stage', levels: ['a', 'c'] }), 'zeros', 'all of a, and none of b')
      assert.notEqual(await askBy({ column: 'weight', is: '61' }), 'zeros')
      assert.notEqual(await askBy(bySex, [below(60)]), 'zeros')
      site.asked = 'd5'.repeat(32)
      const rest = { analysis: 'feasibility', parameters: { by: [{ column: 'sex', levels: ['f', 'x'] }] } }
      const counted = await site.contribute(site.request([], rest))
      assert.ok(counted.ok && counted.values[0] === 1, 'those of other levels are in its counts')
    })
  })

  describe('of a dataset that is updated', () => {
    const all: Condition[] = []
    const update = (change: (rows: typeof EVERYONE) => typeof EVERYONE): Promise<string> =>
      site.load(csvOf(change(EVERYONE)))

    it('keeps a patient who came in between from being told by the same question', async () => {
      const before = await site.ask(all)
      await update((rows) => [...rows, { age: 77, sex: 'f', weight: 99 }])
      assert.deepEqual(difference(before, await site.ask(all, site.plain)), { n: 1, total: 77 })
      assert.equal(await site.ask(all), 'zeros')
      assert.equal(await site.ask([atLeast(30)]), 'zeros')
      assert.deepEqual(await site.ask([below(70)]), before, 'those of before are still the same rows')
    })

    it('knows rows again in another order, and those that went and came back', async () => {
      const before = await site.ask(all)
      await update((rows) => [...rows].reverse())
      assert.deepEqual(await site.ask(all), before)
      await update((rows) => rows.slice(0, 20))
      assert.notEqual(await site.ask(all), 'zeros')
      await (await site.store).retire('d')
      await update((rows) => [...rows, { age: 77, sex: 'f', weight: 99 }])
      assert.equal(await site.ask(all), 'zeros')
    })

    it('knows rows again when a column comes or goes', async () => {
      const before = await site.ask(all)
      const more = [...EVERYONE, { age: 77, sex: 'f', weight: 99 }]
      await site.load(csvOf(more, (line, at) => (at === 0 ? `${line},stage` : `${line},${at % 3}`)))
      assert.equal(await site.ask(all), 'zeros')
      assert.deepEqual(await site.ask([below(70)]), before)
      await site.load(csvOf(more, (line) => line.split(',').slice(0, 2).join(',')))
      assert.equal(await site.ask(all), 'zeros')
      await site.load(csvOf(more))
      assert.equal(await site.ask(all), 'zeros')
    })

    it('counts patients with the same values as often as they are there', async () => {
      const twins = Array.from({ length: 12 }, () => ({ age: 44, sex: 'm', weight: 80 }))
      await update((rows) => [...rows, ...twins])
      assert.notEqual(await site.ask(all), 'zeros')
      await update((rows) => [...rows, ...twins.slice(1)])
      assert.equal(await site.ask(all), 'zeros')
      await update((rows) => [...rows, ...twins.slice(5)])
      assert.notEqual(await site.ask(all), 'zeros')
    })

    it('lets five new patients pass though one has gone', async () => {
      site.rule = { ...site.rule, eachSide: true }
      await site.ask(all)
      const fresh = [1, 2, 3, 4].map((at) => ({ age: 80 + at, sex: 'f', weight: 70 }))
      await update((rows) => [...rows.slice(1), ...fresh])
      assert.notEqual(await site.ask(all), 'zeros')
    })
  })
})
