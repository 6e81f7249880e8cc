import assert from 'node:assert/strict'
import {
  chiSquareTail,
  fTail,
  incompleteBeta,
  logGamma,
  normalTail,
  tQuantile,
  tTail,
  upperGamma,
  Z_975,
} from '@flamesh/protocol/analyses/distributions.js'
import { assertClose, reference } from './federation.js'

const R = reference('more').distributions
const TOLERANCE = 1e-10

describe('tails of distributions equal R', () => {
  it('normal', () => assertClose(R.z.map(normalTail), R.normal, 'normal', TOLERANCE))

  it('χ²', () => {
    for (const df of [1, 3, 40])
      assertClose(
        R.x.map((x: number) => chiSquareTail(x, df)),
        R[`chisq${df}`],
        `df ${df}`,
        TOLERANCE,
      )
  })

  it('t', () => {
    for (const df of [1, 10, 178, 5000])
      assertClose(
        R.t.map((t: number) => tTail(t, df)),
        R[`t${df}`],
        `df ${df}`,
        TOLERANCE,
      )
    assert.equal(tTail(-2, 10), tTail(2, 10))
  })

  it('F', () => {
    assertClose(
      R.f.map((f: number) => fTail(f, 2, 178)),
      R.f2_178,
      'F(2, 178)',
      TOLERANCE,
    )
    assertClose(
      R.f.map((f: number) => fTail(f, 7, 12)),
      R.f7_12,
      'F(7, 12)',
      TOLERANCE,
    )
  })

  it('quantiles of t and of the normal', () => {
    assertClose(
      R.df.map((df: number) => tQuantile(0.975, df)),
      R.q975,
      'quantile',
      TOLERANCE,
    )
    assertClose(normalTail(Z_975), 0.05, 'normal', TOLERANCE)
  })

  it('ln Γ', () => assertClose(R.g.map(logGamma), R.lgamma, 'lgamma', TOLERANCE))

  it('ends of the range', () => {
    assert.deepEqual([upperGamma(2, 0), incompleteBeta(0, 1, 2, 3), incompleteBeta(1, 0, 2, 3)], [1, 0, 1])
    assert.deepEqual([normalTail(0), chiSquareTail(0, 3), tTail(0, 5), normalTail(60)], [1, 1, 1, 0])
  })
})
