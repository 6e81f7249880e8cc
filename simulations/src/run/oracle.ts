/**
 * The binomial oracle for completion against dropout. A site vanishes with probability p in each of k phases, so it survives
 * with s = (1 − p)^k, independently of the others. A job of n sites of which r are needed completes with
 *
 *     P = Σ_{i=r}^{n} C(n, i) · s^i · (1 − s)^(n−i)
 *
 * `certain` sites never vanish: then n and r shrink by as many.
 */
export interface Completion {
  readonly sites: number
  readonly required: number
  readonly phases: number
  readonly dropout: number
  readonly certain?: number
}

export function expectedCompletion({ sites, required, phases, dropout, certain = 0 }: Completion): number {
  const n = sites - certain
  const survives = (1 - dropout) ** phases
  let sum = 0
  for (let i = Math.max(0, required - certain); i <= n; i++)
    sum += choose(n, i) * survives ** i * (1 - survives) ** (n - i)
  return Math.min(1, sum)
}

function choose(n: number, k: number): number {
  let product = 1
  for (let i = 1; i <= k; i++) product = (product * (n - k + i)) / i
  return product
}
