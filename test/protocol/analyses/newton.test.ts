import assert from 'node:assert/strict'
import { advance, type NewtonState, newtonSchema, type Progress, startAt } from '@flamesh/protocol/analyses/newton.js'

/** Climbs −f from `from`, given f, f′ and f″. */
function climb(
  from: number,
  f: (x: number) => readonly [number, number, number],
): { last: Progress; visited: number[] } {
  let state: NewtonState = { iteration: 0, beta: [from], best: null }
  const visited: number[] = []
  for (;;) {
    const [x = 0] = newtonSchema.parse(state).beta
    visited.push(x)
    const [value, slope, curvature] = f(x)
    const step = -slope / curvature
    const last = advance(state, -value, { step: [step], stepSize: Math.abs(step), se: [1 / Math.sqrt(curvature)] })
    if (last.kind !== 'state') return { last, visited }
    state = last.state
  }
}

describe('Newton’s method across rounds', () => {
  it('starts at zero', () => assert.deepEqual(startAt(2), { iteration: 0, beta: [0, 0], best: null }))

  it('converges, and says after how many evaluations', () => {
    const { last, visited } = climb(1, (x) => [Math.exp(x) - 3 * x, Math.exp(x) - 3, Math.exp(x)])
    assert.ok(last.kind === 'converged')
    assert.equal(last.iterations, visited.length)
    assert.ok(last.iterations < 8 && Math.abs((last.coef[0] as number) - Math.log(3)) < 1e-15)
    assert.ok(Math.abs((last.se[0] as number) - 1 / Math.sqrt(3)) < 1e-11)
  })

  it('halves a step that overshot, where plain Newton runs away', () => {
    const { last, visited } = climb(2, (x) => [Math.log(Math.cosh(x)), Math.tanh(x), 1 / Math.cosh(x) ** 2])
    assert.ok(last.kind === 'converged' && Math.abs(last.coef[0] as number) < 1e-11, JSON.stringify(visited))
    // 2, then about −12, then half way back
    assert.ok(
      (visited[1] as number) < -11 && Math.abs((visited[2] as number) - ((visited[1] as number) + 2) / 2) < 1e-12,
    )
  })

  it('tells a coefficient that goes to infinity from one that never settles', () => {
    const { last, visited } = climb(0, (x) => [Math.exp(-x), -Math.exp(-x), Math.exp(-x)])
    assert.ok(last.kind === 'suppressed' && last.code === 'separation' && visited.length < 15)
    let turn = 0
    const { last: restless } = climb(1000, (x) => [-1e6, 1e-6 * (turn++ % 2 ? 1 : -1) * Math.sign(x), 1])
    assert.equal(restless.kind === 'suppressed' && restless.code, 'not-converged')
  })

  it('calls a singular matrix singular at the start, and separation later', () => {
    const first = advance(startAt(1), -1, undefined)
    assert.equal(first.kind === 'suppressed' && first.code, 'singular')
    const later = advance({ iteration: 4, beta: [9], best: null }, -1, undefined)
    assert.equal(later.kind === 'suppressed' && later.code, 'separation')
    const overshot = advance({ iteration: 4, beta: [9], best: { beta: [1], logLikelihood: -0.5 } }, -1, undefined)
    assert.deepEqual(overshot.kind === 'state' && overshot.state.beta, [5])
    const infinite = advance(startAt(1), -1, { step: [Number.NaN], stepSize: 1, se: [1] })
    assert.equal(infinite.kind === 'suppressed' && infinite.code, 'singular')
  })
})
