/** Samplers over a seeded stream: normal, exponential, gamma, Dirichlet. */
import type { SeededRandom } from '../kernel/random.js'

/** Never 0, so that its logarithm exists. */
const positive = (random: SeededRandom): number => 1 - random.fraction()

/** Standard normal, by Box and Muller. */
export function normal(random: SeededRandom): number {
  return Math.sqrt(-2 * Math.log(positive(random))) * Math.cos(2 * Math.PI * random.fraction())
}

export function exponential(random: SeededRandom, mean: number): number {
  return -mean * Math.log(positive(random))
}

/** Gamma(shape, 1): Marsaglia and Tsang, A simple method for generating gamma variables, 2000. */
export function gamma(random: SeededRandom, shape: number): number {
  // below one: a variable of one more, and a power of a uniform one (their section 6)
  if (shape < 1) return gamma(random, shape + 1) * positive(random) ** (1 / shape)
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(random)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(positive(random)) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v
  }
}

/** Shares that add up to 1, Dirichlet(weights[i] · concentration): mean weights[i] / Σ weights, uneven when it is small. */
export function dirichlet(random: SeededRandom, concentration: number, weights: readonly number[]): readonly number[] {
  const drawn = weights.map((weight) => gamma(random, Math.max(weight * concentration, 1e-3)))
  const total = drawn.reduce((sum, one) => sum + one, 0)
  // a concentration near zero gives everything to one of them, which one is a draw of its own
  if (!(total > 0)) {
    const chosen = random.integer(weights.length)
    return weights.map((_, at) => (at === chosen ? 1 : 0))
  }
  return drawn.map((one) => one / total)
}

/** An index, with these probabilities. */
export function choose(random: SeededRandom, shares: readonly number[]): number {
  let left = random.fraction()
  for (let at = 0; at < shares.length - 1; at++) {
    left -= shares[at] as number
    if (left < 0) return at
  }
  return shares.length - 1
}
