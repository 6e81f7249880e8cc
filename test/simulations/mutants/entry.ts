/**
 * What runs inside a bundle, patched or not: seeds of the campaign whose cases have one of these names, until one breaks an
 * invariant. Prints where it stopped.
 */
import { generate } from '@flamesh/simulations/campaign/generate.js'
import { runCase } from '@flamesh/simulations/campaign/run-case.js'

interface Order {
  readonly seeds: readonly number[]
  /** names of cases; empty: any */
  readonly names: readonly string[]
}

export interface Caught {
  readonly seed: number
  readonly invariant: string
  readonly message: string
}

const { seeds, names } = JSON.parse(process.argv[2] ?? '') as Order
const found: Caught[] = []
let ran = 0
for (const seed of seeds) {
  const one = generate(seed)
  if (names.length > 0 && !names.includes(one.name)) continue
  ran++
  const { violations } = await runCase(one)
  const [first] = violations
  if (first === undefined) continue
  found.push({ seed, invariant: first.invariant, message: first.message })
  break
}
process.stdout.write(JSON.stringify({ ran, caught: found[0] ?? null }), () => process.exit(0))
