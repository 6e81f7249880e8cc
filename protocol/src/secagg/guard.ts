/**
 * The guard against differencing. Implements docs/spec/secure-aggregation.md, the guard: whatever linear combination of
 * certified sums someone computes, it is constant on groups of sites with the same membership pattern, so it is enough
 * that every group is large. Both functions err towards refusing: they treat every group as derivable. Not caught:
 * near-duplicate queries, rows that changed between two sums, and sites that lie about contributing.
 */
export type GroupCheck =
  | { readonly ok: true }
  | {
      readonly ok: false
      /** the groups that are too small, each sorted; the consent of all sites of each would help */
      readonly groups: readonly (readonly string[])[]
      /** indices of earlier sets that suffice for the refusal, none of them superfluous; empty: the candidate alone is too small */
      readonly against: readonly number[]
    }

/** The sites of the union by the sets they are in: pattern "0110" for the second and third. */
function groupsOf(sets: readonly ReadonlySet<string>[]): ReadonlyMap<string, readonly string[]> {
  const groups = new Map<string, string[]>()
  for (const site of [...new Set(sets.flatMap((set) => [...set]))].sort()) {
    const pattern = sets.map((set) => (set.has(site) ? '1' : '0')).join('')
    const group = groups.get(pattern)
    if (group === undefined) groups.set(pattern, [site])
    else group.push(site)
  }
  return groups
}

/**
 * Whether certifying `candidate` after `sets` leaves every membership group with at least `minCohort` organisations, or
 * with the consent of all its sites.
 */
export function checkGroups(
  sets: readonly ReadonlySet<string>[],
  candidate: ReadonlySet<string>,
  minCohort: number,
  organisationOf: (site: string) => string,
  consents: ReadonlySet<string> = new Set(),
): GroupCheck {
  const tooSmall = (earlier: readonly ReadonlySet<string>[]): readonly (readonly string[])[] =>
    [...groupsOf([...earlier, candidate]).values()].filter(
      (group) => new Set(group.map(organisationOf)).size < minCohort && !group.every((site) => consents.has(site)),
    )
  const groups = tooSmall(sets)
  if (groups.length === 0) return { ok: true }
  // More sets only refine the groups, so dropping sets one by one while the refusal stands ends in an irreducible reason.
  let against = sets.map((_, index) => index)
  for (const index of against) {
    const without = against.filter((other) => other !== index)
    if (tooSmall(without.map((kept) => sets[kept] as ReadonlySet<string>)).length > 0) against = without
  }
  return { ok: false, groups, against }
}

/** A certified set and how many of its sites contributed rows, as the contributors slot of its sum said. */
export interface CountedSet {
  readonly set: ReadonlySet<string>
  readonly contributors: number
}

export type ContributorCheck =
  | { readonly ok: true }
  /** no assignment of contributors to groups explains all the counts: rows changed or a site lied, so nothing is known */
  | { readonly ok: false; readonly reason: 'inconsistent' }
  | {
      readonly ok: false
      readonly reason: 'few-contributors'
      /** groups whose contributors may be 1 … minCohort−1, with the least and most that the counts allow */
      readonly groups: readonly { readonly sites: readonly string[]; readonly least: number; readonly most: number }[]
    }

/** Σ coefficients[j]·g_j = total */
interface Equation {
  readonly coefficients: readonly bigint[]
  readonly total: bigint
}

/**
 * Whether no derivable difference can rest on 1 … minCohort−1 contributing sites. Each membership group has an unknown
 * number of contributors between 0 and its size; each known sum gives one linear equation. Exact elimination, then
 * narrowing of the bounds; a group passes if it is certain to have none, or at least minCohort. A union of such groups, and
 * so every difference, then has none or at least minCohort as well. Groups whose sites all consented are exempt.
 */
export function derivableContributors(
  history: readonly CountedSet[],
  candidate: CountedSet,
  minCohort: number,
  consents: ReadonlySet<string> = new Set(),
): ContributorCheck {
  const known = [...history, candidate]
  // The count is an opened sum: whatever a lying site added, down to a fraction.
  const whole = known.every(({ contributors }) => Number.isSafeInteger(contributors))
  if (!whole) return { ok: false, reason: 'inconsistent' }
  const groups = groupsOf(known.map((one) => one.set))
  const patterns = [...groups.keys()]
  const sites = [...groups.values()]
  const equations = known.map(({ contributors }, row) => ({
    coefficients: patterns.map((pattern) => (pattern[row] === '1' ? 1n : 0n)),
    total: BigInt(contributors),
  }))
  const bounds = narrow(
    [...equations, ...eliminate(equations)],
    sites.map((group) => ({ least: 0n, most: BigInt(group.length) })),
  )
  if (bounds === undefined) return { ok: false, reason: 'inconsistent' }
  const few = sites.flatMap((group, j) => {
    const least = Number(bounds[j]?.least)
    const most = Number(bounds[j]?.most)
    if (most === 0 || least >= minCohort || group.every((site) => consents.has(site))) return []
    return [{ sites: group, least, most }]
  })
  return few.length === 0 ? { ok: true } : { ok: false, reason: 'few-contributors', groups: few }
}

/** Gauss-Jordan elimination without fractions: equivalent equations, each with a variable that no other has. */
function eliminate(equations: readonly Equation[]): readonly Equation[] {
  const rows = [...equations]
  const width = equations[0]?.coefficients.length ?? 0
  let done = 0
  for (let column = 0; column < width && done < rows.length; column++) {
    const at = rows.findIndex((row, i) => i >= done && row.coefficients[column] !== 0n)
    if (at < 0) continue
    const pivot = rows[at] as Equation
    rows[at] = rows[done] as Equation
    rows[done] = pivot
    for (let i = 0; i < rows.length; i++) {
      if (i !== done) rows[i] = cancel(rows[i] as Equation, pivot, column)
    }
    done++
  }
  return rows
}

/** row · pivot[column] − pivot · row[column], divided by the common factor of the result. */
function cancel(row: Equation, pivot: Equation, column: number): Equation {
  const a = pivot.coefficients[column] as bigint
  const b = row.coefficients[column] as bigint
  if (b === 0n) return row
  const coefficients = row.coefficients.map((value, j) => value * a - (pivot.coefficients[j] as bigint) * b)
  const total = row.total * a - pivot.total * b
  const factor = [...coefficients, total].reduce(gcd, 0n)
  if (factor <= 1n) return { coefficients, total }
  return { coefficients: coefficients.map((value) => value / factor), total: total / factor }
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b]
  while (y !== 0n) [x, y] = [y, x % y]
  return x
}

interface Bounds {
  readonly least: bigint
  readonly most: bigint
}

/**
 * The bounds tightened until no equation tightens them further, or undefined if they contradict. Never excludes a
 * solution in integers; may keep values that no solution takes.
 */
function narrow(equations: readonly Equation[], start: readonly Bounds[]): readonly Bounds[] | undefined {
  const bounds = [...start]
  for (let changed = true; changed; ) {
    changed = false
    for (const { coefficients, total } of equations) {
      const terms = coefficients.map((value, j) => times(value, bounds[j] as Bounds))
      const least = terms.reduce((sum, term) => sum + term.least, 0n)
      const most = terms.reduce((sum, term) => sum + term.most, 0n)
      if (total < least || total > most) return undefined
      for (const [j, value] of coefficients.entries()) {
        if (value === 0n) continue
        const [before, term] = [bounds[j] as Bounds, terms[j] as Bounds]
        const after = within(before, value, { least: total - most + term.most, most: total - least + term.least })
        if (after.least > after.most) return undefined
        changed ||= after.least > before.least || after.most < before.most
        bounds[j] = after
      }
    }
  }
  return bounds
}

function times(value: bigint, { least, most }: Bounds): Bounds {
  return value > 0n ? { least: value * least, most: value * most } : { least: value * most, most: value * least }
}

/** The integers g of `before` for which value · g lies in `product`. */
function within(before: Bounds, value: bigint, product: Bounds): Bounds {
  const [low, high] = value > 0n ? [product.least, product.most] : [-product.most, -product.least]
  const size = value > 0n ? value : -value
  let { least, most } = before
  if (ceilDivide(low, size) > least) least = ceilDivide(low, size)
  if (-ceilDivide(-high, size) < most) most = -ceilDivide(-high, size)
  return { least, most }
}

/** ⌈a / b⌉ for b > 0. */
function ceilDivide(a: bigint, b: bigint): bigint {
  return a / b + (a > 0n && a % b !== 0n ? 1n : 0n)
}
