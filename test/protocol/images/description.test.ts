import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { FRACTION_BITS, openSum, planOf } from '@flamesh/protocol/analyses/layout.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import {
  descriptionHash,
  descriptionSchema,
  digestOf,
  type ImageDescription,
  MAX_OUTCOME,
} from '@flamesh/protocol/images/description.js'
import { readDescription } from '@flamesh/protocol/images/document.js'
import { boundsOf, dimensionOf, layoutOf } from '@flamesh/protocol/images/layout.js'
import { MAX_COHORT, MAX_DIMENSION } from '@flamesh/protocol/limits.js'
import { parse } from 'yaml'
import { RULES } from '../analyses/federation.js'
import { DIGEST, description } from './fixtures.js'

const text = readFileSync(new URL('../../../docs/examples/images/description.yaml', import.meta.url), 'utf8')
const example = () => parse(text) as Record<string, unknown> & { output: Record<string, unknown>[] }
const [weight, events, score] = description().output as [
  ImageDescription['output'][0],
  ImageDescription['output'][0],
  ImageDescription['output'][0],
]

describe('the description of an image', () => {
  it('refuses what no reviewer could mean', () => {
    assert.ok(descriptionSchema.safeParse(description()).success)
    const at = (image: string) => ({ image })
    const output = (...slots: ImageDescription['output']) => ({ output: slots, combine: 'sum' as const })
    const wrong: Record<string, unknown>[] = [
      { contract: 2 },
      at('registry.example.org/tree:latest'),
      at(`registry.example.org/tree:latest@${DIGEST}`),
      at(`r.example/tree@${DIGEST.toUpperCase()}`),
      at(`r.example/tree@${DIGEST}@${DIGEST}`),
      at(`r.example/Tree@${DIGEST}`),
      at(DIGEST),
      at(`@${DIGEST}`),
      at(`r.example/../tree@${DIGEST}`),
      at(`tree@${DIGEST}`),
      at(`cohorts/logistic@${DIGEST}`),
      at(`-r.example/tree@${DIGEST}`),
      at(`r.example/a._b@${DIGEST}`),
      at(`r.example/a___b@${DIGEST}`),
      at(`r.example/${'x'.repeat(246)}@${DIGEST}`),
      { source: { location: ' ', commit: 'c0'.repeat(20) } },
      { source: { location: 'a\u001b[2Jb', commit: 'c0'.repeat(20) } },
      { source: { location: 'here', commit: 'main' } },
      { sbom: 'none' },
      output(),
      output(weight, { ...weight, upper: '7' }),
      output(score, weight),
      output({ ...weight, name: 'contributors' }),
      output({ ...weight, name: 'a b' }),
      output({ ...weight, length: 0 }),
      output({ ...weight, lower: '-1' }),
      output({ ...weight, upper: '1.5' }),
      output({ ...weight, upper: '536870913' }),
      output({ ...score, lower: '1', upper: '1' }),
      output({ ...score, lower: '2', upper: '1' }),
      output({ ...score, upper: '1e3' }),
      output({ ...score, upper: '1.0' }),
      output({ ...score, upper: '01' }),
      output({ ...score, upper: '-0' }),
      output({ ...score, upper: 'Infinity' }),
      output({ ...score, upper: 'NaN' }),
      output({ ...score, upper: '72057594037927936' }),
      output({ ...score, length: MAX_OUTCOME + 1 }),
      { output: [events, score] },
      { output: [{ ...weight, length: 2 }, score] },
      { maxRounds: 0 },
      { maxRounds: 65 },
      { combine: 'mean' },
      { resources: ['memory-8g', 'gpu'] },
      { resources: ['gpu', 'gpu'] },
      ...['a b', 'tpu', 'GPU', 'memory-0g', 'memory-08g', 'memory-10000g', 'memory-8gb', 'time-100h', 'time-1.5h'].map(
        (one) => ({ resources: [one] }),
      ),
      output(...Array.from({ length: 250 }, (_, i) => ({ ...score, name: `a-rather-long-name-of-a-slot-${i}` }))),
      { more: 1 },
    ]
    for (const change of wrong) {
      const parsed = descriptionSchema.safeParse({ ...description(), ...change })
      assert.ok(!parsed.success, JSON.stringify(change).slice(0, 200))
    }
    const fine: Record<string, unknown>[] = [
      at(`localhost:5000/a/b__c-d@${DIGEST}`),
      at(`r.example/${'x'.repeat(245)}@${DIGEST}`),
      output({ ...weight, upper: '536870912' }, { ...score, upper: '536870913' }),
      output(score),
      output({ ...score, length: MAX_OUTCOME }),
      output(weight, { ...score, lower: '-36028797018963970', upper: '0.0000001' }),
      { resources: [] },
      { resources: ['gpu', 'memory-1g', 'memory-9999g', 'time-1h', 'time-99h'] },
    ]
    for (const change of fine) {
      const parsed = descriptionSchema.safeParse({ ...description(), ...change })
      assert.ok(parsed.success, JSON.stringify(change))
    }
  })

  it('is the layout of the vector that a site gives', () => {
    const one = description()
    const counts = ['weight', 'events[0]', 'events[1]', 'events[2]']
    assert.deepEqual(layoutOf(one), {
      counts: [...counts, ...counts.map((name) => `sites with ${name}`)],
      sums: ['score[0]', 'score[1]'],
    })
    assert.equal(dimensionOf(one), 6)
    assert.deepEqual(boundsOf(one), {
      lower: Float64Array.of(0, 0, 0, 0, -2.5, -2.5),
      upper: Float64Array.of(100000, 100000, 100000, 100000, 0.125, 0.125),
    })
    const { slots } = planOf(layoutOf(one))
    assert.deepEqual(
      slots.map((slot) => slot.kind),
      [...Array(9).fill('count'), ...Array(4).fill('sum')],
    )
    const largest = description({ combine: 'sum', output: [{ ...score, length: MAX_OUTCOME }] })
    assert.ok(planOf(layoutOf(largest)).slots.length <= MAX_DIMENSION)
    assert.equal(digestOf(one), DIGEST)
  })
})

describe('the largest bound of a count', () => {
  it('leaves the sum over the largest cohort one that honest sites can have', () => {
    const opened = (upper: bigint) =>
      openSum(
        { counts: ['weight'], sums: [] },
        [1n, upper].map((one) => (BigInt(MAX_COHORT) * one) << BigInt(FRACTION_BITS)),
        {
          parameters: {},
          rules: RULES,
          survivors: MAX_COHORT,
        },
      )
    const sum = opened(1n << 29n)
    assert.deepEqual(sum.kind === 'reading' && sum.counts, [2 ** 40])
    const beyond = opened((1n << 29n) + 1n)
    assert.equal(beyond.kind === 'suppressed' && beyond.code, 'implausible-sum')
  })
})

describe('the document of a description', () => {
  it('is the example in the documentation', () => {
    const read = readDescription(example())
    assert.ok(descriptionSchema.safeParse(read).success)
    assert.equal(dimensionOf(read), 193)
    assert.deepEqual(read.output.at(-1), {
      name: 'score',
      kind: 'sum',
      length: 64,
      lower: '-2500000.5',
      upper: '2500000.5',
    })
  })

  it('has one form, however it is written', () => {
    const { maxRounds: _, ...plain }: ReturnType<typeof example> = { ...example(), resources: ['memory-8g', 'gpu'] }
    const hash = descriptionHash(readDescription(plain))
    const written = [
      { ...plain, maxRounds: 1 },
      { ...plain, resources: ['gpu', 'memory-8g'] },
      { ...plain, output: plain.output.map((slot) => ({ ...slot, upper: `${slot['upper']}` })) },
      { ...plain, output: plain.output.map((slot) => ({ length: 1, ...slot, lower: Number(slot['lower']) })) },
    ]
    for (const one of written) assert.equal(descriptionHash(readDescription(one)), hash)
    assert.equal(
      readDescription({ ...plain, output: [{ name: 'x', kind: 'sum', lower: -1e-7, upper: 1e21 / 1e6 }] }).output[0]
        ?.lower,
      '-0.0000001',
    )
  })

  it('says where a mistake is', () => {
    const slot = (changes: object) => ({ ...example(), output: [{ ...example().output[0], ...changes }] })
    const { sbom: _, ...noSbom } = example()
    const { lower: __, ...noLower } = example().output[0] as Record<string, unknown>
    const mistakes: [unknown, string, RegExp, RegExp?][] = [
      ['text', '', /not a mapping/, /contract: 1/],
      [[], '', /not a mapping/],
      [noSbom, 'sbom', /missing/],
      [{ ...example(), sbon: 'x' }, 'sbon', /no such field/, /sbom/],
      [{ ...example(), contract: 2 }, 'contract', /must be 1/],
      [{ ...example(), sbom: 'none' }, 'sbom', /64 lowercase hex digits/],
      [{ ...example(), image: 'tree:latest' }, 'image', /REPOSITORY@sha256:DIGEST/],
      [{ ...example(), image: `cohorts/tree@${DIGEST}` }, 'image', /with a registry/],
      [{ ...example(), source: { location: 'x', commit: 7 } }, 'source.commit', /string/, /quotes/],
      [{ ...example(), source: { location: 'x', comit: 'x' } }, 'source.comit', /no such field/, /commit/],
      [{ ...example(), combine: 'mean' }, 'combine', /"weighted-mean"/],
      [{ ...example(), combine: 'weighted-mean' }, 'combine', /count named weight/],
      [{ ...example(), resources: 'gpu' }, 'resources', /array/],
      [{ ...example(), resources: ['disk-8g'] }, 'resources[0]', /memory-NUMBERg/],
      [{ ...example(), output: [] }, 'output', /at least one slot/],
      [slot({ kind: 'mean' }), 'output[0].kind', /"count" or "sum"/],
      [slot({ lower: 'low' }), 'output[0].lower', /decimal number/],
      [slot({ lower: [0] }), 'output[0].lower', /must be a number/],
      [slot({ upper: Number.POSITIVE_INFINITY }), 'output[0].upper', /must be a number/],
      [slot({ upper: -1 }), 'output[0].upper', /above lower/],
      [slot({ upper: 2 ** 30 }), 'output[0].upper', /2\^29/],
      [slot({ lenght: 3 }), 'output[0].lenght', /no such field/, /length/],
      [{ ...example(), output: [noLower] }, 'output[0].lower', /missing/],
      [{ ...example(), output: [7] }, 'output[0]', /object/],
    ]
    for (const [document, path, message, hint] of mistakes) {
      assert.throws(
        () => readDescription(document),
        (error) => {
          assert.ok(error instanceof FlameshError)
          assert.equal(error.code, 'description-invalid')
          assert.equal(error.meta['path'], path, error.message)
          assert.match(error.message, message)
          if (hint !== undefined) assert.match(error.hint ?? '', hint)
          return true
        },
      )
    }
  })
})
