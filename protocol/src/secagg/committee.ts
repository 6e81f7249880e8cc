/**
 * The arithmetic of a committee: profiles, who holds which seed and which slice, whose turn it is to propose. Implements
 * docs/spec/secure-aggregation.md, committee and seeds. Who sits on a committee is the log's business; nothing here
 * checks that seats are distinct organisations.
 */
import { assert } from '../errors.js'

export interface Profile {
  /** c: seats */
  readonly members: number
  /** t: seats that may collude without learning anything */
  readonly colluding: number
  /** q = ⌊(c+t)/2⌋+1: two quorums share an honest member */
  readonly quorum: number
  /** members that must have a site's submission before the site may be in a survivor set: max(q, 2t+1) */
  readonly haves: number
  /** members a slice goes to, c−q+t+1: at least t+1 of them are in any quorum */
  readonly replicas: number
  /** seats that may be absent, c−q */
  readonly maxAbsent: number
}

/** t follows from c. Three seats abort when one of them lies; four and seven deliver. */
const COLLUDING: ReadonlyMap<number, number> = new Map([
  [3, 1],
  [4, 1],
  [7, 2],
])

const PROFILES: ReadonlyMap<number, Profile> = new Map(
  [...COLLUDING].map(([c, t]) => {
    const quorum = Math.floor((c + t) / 2) + 1
    const haves = Math.max(quorum, 2 * t + 1)
    return [c, { members: c, colluding: t, quorum, haves, replicas: c - quorum + t + 1, maxAbsent: c - quorum }]
  }),
)

/** The profile of a committee with `c` seats, or undefined if there is none. */
export const profileOf = (c: number): Profile | undefined => PROFILES.get(c)

function combinations(from: number, to: number, size: number): readonly (readonly number[])[] {
  if (size === 0) return [[]]
  const all: (readonly number[])[] = []
  for (let first = from; first <= to - size; first++) {
    for (const rest of combinations(first + 1, to, size - 1)) all.push([first, ...rest])
  }
  return all
}

/** Who holds what under a profile, worked out once: asked for every seed of every site. */
interface Shares {
  readonly subsets: readonly (readonly number[])[]
  /** by subset */
  readonly holders: readonly (readonly number[])[]
  /** by seat */
  readonly seeds: readonly (readonly number[])[]
}

const shares = new WeakMap<Profile, Shares>()

function sharesOf(profile: Profile): Shares {
  let found = shares.get(profile)
  if (found === undefined) {
    const seats = seatsOf(profile)
    const all = combinations(0, profile.members, profile.colluding)
    found = {
      subsets: all,
      holders: all.map((subset) => seats.filter((seat) => !subset.includes(seat))),
      seeds: seats.map((seat) => all.flatMap((subset, index) => (subset.includes(seat) ? [] : [index]))),
    }
    shares.set(profile, found)
  }
  return found
}

/** Every t-subset A of the seats, in lexicographic order. A seed is known by the index of its subset in this list. */
export const subsets = (profile: Profile): readonly (readonly number[])[] => sharesOf(profile).subsets

/** The seats that hold the seed of subset `index`: all that are not in it. An index without a subset has no holders. */
export const holdersOf = (profile: Profile, index: number): readonly number[] => sharesOf(profile).holders[index] ?? []

/** Indices of the seeds a seat holds, ascending. */
export const seedsOf = (profile: Profile, seat: number): readonly number[] => sharesOf(profile).seeds[seat] ?? []

/** The seats that keep slice `slice` of every masked update: `replicas` of them in ring order from slice mod c. */
export function replicasOf(profile: Profile, slice: number): readonly number[] {
  return Array.from({ length: profile.replicas }, (_, i) => (slice + i) % profile.members)
}

/** The slices a seat keeps when the vector is cut into `slices`, ascending. */
export function slicesOf(profile: Profile, seat: number, slices: number): readonly number[] {
  return Array.from({ length: slices }, (_, slice) => slice).filter((slice) =>
    replicasOf(profile, slice).includes(seat),
  )
}

/** Whose turn it is; absent seats have none. `presentSeats` ascending and not empty. */
export function proposerOf(presentSeats: readonly number[], round: number, attempt: number, view: number): number {
  const seat = presentSeats[(round + attempt + view) % presentSeats.length]
  assert(seat !== undefined, 'a committee needs a present seat')
  return seat
}

/** Words [from, to) of slice `slice`: contiguous, and no slice longer than another by more than one word. */
export function sliceRange(
  dimension: number,
  slices: number,
  slice: number,
): { readonly from: number; readonly to: number } {
  assert(slice >= 0 && slice < slices, 'no such slice')
  return { from: Math.floor((dimension * slice) / slices), to: Math.floor((dimension * (slice + 1)) / slices) }
}

function seatsOf(profile: Profile): readonly number[] {
  return Array.from({ length: profile.members }, (_, seat) => seat)
}
