/** Made-up patients of six sites, and the plain sums over any of them. */

export const SITES: readonly string[] = ['site-a', 'site-b', 'site-c', 'site-d', 'site-e', 'site-f']
const ROWS = 24

/** Every site's ages differ from every other's, so that no two survivor sets have the same mean. */
function agesOf(site: string): readonly number[] {
  const at = SITES.indexOf(site)
  return Array.from({ length: ROWS }, (_, row) => 30 + 7 * at + ((row * (row + at)) % 23))
}

export function csvOf(site: string): string {
  const lines = agesOf(site).map((age, row) => `${age},${1 + (row % 2)}`)
  return `${['age,sex', ...lines].join('\n')}\n`
}

export interface Moments {
  readonly n: number
  readonly mean: number
  readonly variance: number
}

/** Of the ages of all patients of these sites. */
export function momentsOf(sites: readonly string[]): Moments {
  const ages = sites.flatMap(agesOf)
  const n = ages.length
  const mean = ages.reduce((sum, age) => sum + age, 0) / n
  return { n, mean, variance: ages.reduce((sum, age) => sum + (age - mean) ** 2, 0) / (n - 1) }
}
