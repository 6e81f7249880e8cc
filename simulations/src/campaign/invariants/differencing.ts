/**
 * Invariants 2 and 3 of the design: what is derivable from everything that was opened, over all jobs that ask the same. The
 * third is linear algebra over what the adversary has seen, and knows nothing of groups or of the guard.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { openSigned, type Signed } from '@flamesh/protocol/encoding/signed.js'
import { survivorsHash } from '@flamesh/protocol/history.js'
import { guardKey } from '@flamesh/protocol/jobs/check.js'
import { JOB, type Job } from '@flamesh/protocol/jobs/job.js'
import { DECISION } from '@flamesh/protocol/jobs/messages.js'
import type { Certificate } from '@flamesh/protocol/secagg/consensus-messages.js'
import { PARTIAL, SPECIFICATION } from '@flamesh/protocol/secagg/messages.js'
import type { AttemptRecord, WireOf } from '@flamesh/protocol/wire.js'
import type { SimulatedNode } from '../../federation.js'
import { siteNames } from '../case.js'
import type { MakeInvariant, Scene } from '../observer.js'

export const jobOf = (scene: Scene, node: SimulatedNode, id: Hex): Job | undefined => {
  const signed = scene.read<Signed>(node, `job/${id}/signed`)
  return signed === undefined ? undefined : openSigned(signed, JOB).body
}

/** The set a member computes partial sums over, by what its own disk says was certified. */
export function certifiedSet(
  scene: Scene,
  node: SimulatedNode,
  message: WireOf<'partials'>,
): readonly Hex[] | undefined {
  const prefix = `job/${message.job}/member`
  const record = scene.read<AttemptRecord>(node, `${prefix}/records/${message.round}.${message.attempt}`)
  const certificate = record?.certificate ?? scene.read<Certificate>(node, `${prefix}/certificate`)
  const specification = record?.specification ?? scene.read<Signed>(node, `${prefix}/specification`)
  if (certificate?.value.kind !== 'survivors' || !specification) return undefined
  const { cohort } = openSigned(specification, SPECIFICATION).body
  return certificate.value.survivors.map((at) => cohort[at]?.site as Hex)
}

/** What honest members help to open: each set once, as soon as the first partial sum of it leaves. */
interface Opened {
  readonly job: Hex
  readonly key: Hex
  readonly minimum: number
  readonly maxColluding: number
  readonly iterative: boolean
  readonly sites: readonly Hex[]
}

function whenOpened(scene: Scene, look: (one: Opened) => void) {
  const seen = new Set<string>()
  return (from: SimulatedNode, message: WireOf<'partials'>): void => {
    for (const partial of message.partials.slice(0, 1)) {
      const { body } = openSigned(partial, PARTIAL)
      const name = `${body.roundId}/${body.survivors}`
      if (seen.has(name)) return
      seen.add(name)
      const sites = certifiedSet(scene, from, message)
      const job = jobOf(scene, from, message.job)
      if (sites === undefined || job === undefined || survivorsHash(sites) !== body.survivors) return
      const { minimum } = job.cohort
      const iterative = job.maxRounds > 1
      look({ job: message.job, key: guardKey(job), minimum, maxColluding: job.maxColluding, iterative, sites })
    }
  }
}

/** Sites that let their own aggregate become derivable under a key: their own disks hold an approval that says so. */
function consenting(scene: Scene, key: Hex): ReadonlySet<Hex> {
  const sites = (scene.one.shape.consenting ?? []).map((name) => scene.federation.node(name))
  const given = sites.filter((node) =>
    [...node.disk.entries.keys()].some((name) => {
      const id = /^job\/([0-9a-f]+)\/site\/decision$/.exec(name)?.[1]
      const signed = id === undefined ? undefined : scene.read<Signed>(node, name)
      const consents = signed === undefined ? [] : openSigned(signed, DECISION).body.consents
      return consents.some((one) => one.key === key && one.site === node.key)
    }),
  )
  return new Set(given.map((node) => node.key))
}

const nameOf = (scene: Scene, key: Hex): string => scene.byKey.get(key)?.name ?? key.slice(0, 6)

/** 2. All certified sets of a pinned job are equal: after its first opening no other set of it is ever opened. */
export const pinned: MakeInvariant = (scene) => {
  const first = new Map<Hex, Hex>()
  const look = whenOpened(scene, ({ job, sites }) => {
    const hash = survivorsHash(sites)
    const before = first.get(job) ?? hash
    first.set(job, before)
    scene.check(
      '2 one set a job',
      before === hash,
      () => `job ${job.slice(0, 6)} opens a second set: ${sites.map((one) => nameOf(scene, one)).sort()}`,
    )
  })
  return {
    name: '2 one set a job',
    said: ({ from, honest, message }) => {
      if (honest && message.type === 'partials') look(from, message)
    },
  }
}

/** 2. The group rule over all sets opened under one key, across jobs, committees and restarts. */
export const groups: MakeInvariant = (scene) => {
  const sets = new Map<Hex, Opened[]>()
  const look = whenOpened(scene, (one) => {
    const known = [...(sets.get(one.key) ?? []), one]
    sets.set(one.key, known)
    const patterns = new Map<string, Hex[]>()
    for (const site of new Set(known.flatMap(({ sites }) => sites))) {
      const pattern = known.map(({ sites }) => (sites.includes(site) ? 1 : 0)).join('')
      patterns.set(pattern, [...(patterns.get(pattern) ?? []), site])
    }
    const consents = consenting(scene, one.key)
    const counted = [...patterns.values()].filter((group) => !group.every((site) => consents.has(site)))
    const least = Math.min(...known.map(({ minimum }) => minimum))
    const smallest = Math.min(...counted.map((group) => group.length))
    scene.check(
      '2 groups',
      smallest >= least,
      () => `a group of ${smallest} where ${least} are demanded, over ${known.length} sets`,
    )
  })
  return {
    name: '2 groups',
    said: ({ from, honest, message }) => {
      if (honest && message.type === 'partials') look(from, message)
    },
  }
}

/**
 * 3. What the adversary knows (rows over the x_i from opened sums, colluders' own removed) spans no vector whose support is
 * smaller than minCohort − maxColluding. Every sum of which an honest member let a partial go counts as known.
 */
export const noSmallSupport: MakeInvariant = (scene) => {
  const known = new Map<Hex, Opened[]>()
  const names = siteNames(scene.one.shape).filter((name) => !scene.dishonest.has(name))
  const columns = names.map((name) => scene.federation.node(name).key)
  const colluders = siteNames(scene.one.shape).length - names.length
  const look = whenOpened(scene, (one) => {
    const sums = [...(known.get(one.key) ?? []), one]
    known.set(one.key, sums)
    const rows = sums.map(({ sites }) => columns.map((key) => (sites.includes(key) ? 1n : 0n)))
    const consents = consenting(scene, one.key)
    const allowed = (support: readonly number[]) => support.every((at) => consents.has(columns[at] as Hex))
    const bound = Math.min(...sums.map(({ minimum, maxColluding }) => minimum - Math.max(maxColluding, colluders)))
    const support = smallestSupport(rows, columns.length, bound - 1, allowed)
    scene.check(
      '3 no small support',
      support === undefined,
      () => `the sums of ${sums.length} openings give away ${support?.map((at) => names[at])}`,
    )
  })
  return {
    name: '3 no small support',
    said: ({ from, honest, message }) => {
      if (honest && message.type === 'partials') look(from, message)
    },
  }
}

const PRIME = (1n << 61n) - 1n
const modulo = (value: bigint): bigint => ((value % PRIME) + PRIME) % PRIME

/** A vector of the rows' span that vanishes outside so few columns exists if leaving these columns out lowers the rank. */
function smallestSupport(
  rows: readonly (readonly bigint[])[],
  width: number,
  most: number,
  allowed: (support: readonly number[]) => boolean,
): readonly number[] | undefined {
  const whole = rankOf(rows)
  for (let size = 1; size <= most; size++) {
    for (const support of choose(width, size)) {
      const outside = rows.map((row) => row.filter((_, at) => !support.includes(at)))
      if (!allowed(support) && rankOf(outside) < whole) return support
    }
  }
  return undefined
}

function choose(width: number, size: number, from = 0): readonly (readonly number[])[] {
  if (size === 0) return [[]]
  return Array.from({ length: Math.max(0, width - from) }, (_, at) => from + at).flatMap((first) =>
    choose(width, size - 1, first + 1).map((rest) => [first, ...rest]),
  )
}

/** Over the integers modulo a large prime: equal to the rank over the rationals unless a minor is a multiple of it. */
function rankOf(rows: readonly (readonly bigint[])[]): number {
  const left = rows.map((row) => row.map(modulo))
  let rank = 0
  for (let column = 0; column < (left[0]?.length ?? 0) && rank < left.length; column++) {
    const at = left.findIndex((row, index) => index >= rank && row[column] !== 0n)
    if (at < 0) continue
    const pivot = left[at] as bigint[]
    left[at] = left[rank] as bigint[]
    left[rank] = pivot
    for (let other = rank + 1; other < left.length; other++) {
      const row = left[other] as bigint[]
      const factor = row[column] as bigint
      if (factor !== 0n)
        left[other] = row.map((value, i) => modulo(value * (pivot[column] as bigint) - factor * (pivot[i] as bigint)))
    }
    rank++
  }
  return rank
}

export const differencing: readonly MakeInvariant[] = [pinned, groups, noSmallSupport]
