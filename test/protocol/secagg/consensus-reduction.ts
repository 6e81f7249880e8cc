/**
 * Which differences between two states of a committee cannot matter, and one name for all states that differ in nothing else.
 *
 * A reduction is sound if whatever honest members can still do from the one state they can do from the other. Compared with
 * a network that keeps every message and a member that keeps everything it was told:
 *
 * 1. **A member forgets what it was told** and is told again. Every rule of the machine looks for votes of one phase of one
 *    view, a proposal with the quorum behind it, or votes that show others further on; each such selection exists for good
 *    once it exists, so it can be handed over again when its turn comes. The liar may say something else each time.
 *    That adds behaviours and loses none.
 * 2. **A value with a late quorum** (`valid` above the lock) is read in two places: by the proposer that enters a view, and
 *    in step prevote, for this view. So it is handed over there, and not kept.
 * 3. **A decided member** answers with its certificate and never votes again: it is a member that is not heard any more.
 * 4. **Votes that can make no quorum** for their value, because too few members can still join, only count as votes of any
 *    kind, as nil does. The rules for "q of nil" and "q of any kind and a timer" lead to the same vote.
 * 5. **Votes that nobody can use.** Once every member is past step prevote of a view, what remains of its prevotes is whether
 *    a value has a quorum; once every member has left a view, what remains of its precommits is whether a value is
 *    certified. A lock is not read again after the last prevote that is explored, nor a proposal after everybody voted on it.
 * 6. **Of two quorums for one value** that members will only see in later proposals, the later one is accepted wherever the
 *    earlier one is, and nobody has to vote at all: a timeout leads to nil.
 * 7. **A certified value** needs no further precommits; only a certificate for another value is a conflict.
 * 8. **Names.** The machine compares values for equality only, and seats only to tell itself and the proposer of a view: so
 *    values may be exchanged, and members that propose in no view that anybody is still in or before.
 *
 * The test compares what is reachable over two views with an exploration that uses 1 and 8 alone, and over three views with
 * one that does without 4, 6 and 7.
 */
import { bitOf, type Content, HONEST, type Model, NIL, packed, renamed, votesIn } from './consensus-contents.js'

/** What holds of all members together. */
export interface Facts {
  /** by value: bit v says that its quorum of prevotes in view v has no other trace */
  readonly polkas: readonly number[]
  /** 0, or 1 + value */
  readonly certified: number
}

export interface Joint {
  readonly members: readonly [Content, Content, Content]
  readonly facts: Facts
}

type Draft = { -readonly [key in keyof Content]: Content[key] }

/** Those that can be left out, to see that nothing else is reached without them. */
export type Optional = 4 | 6 | 7

/** Reductions 4 to 7. `place` is where a member can still act from: its own place, unless it is one that can go back. */
export function trimmed(
  model: Model,
  joint: Joint,
  place: (content: Content) => number,
  without: readonly Optional[] = [],
): { readonly joint: Joint; readonly conflict: boolean } {
  const members = joint.members.map((one) => ({ ...one })) as Draft[] as [Draft, Draft, Draft]
  const at = members.map(place) as [number, number, number]
  const earliest = Math.min(...at)
  const polkas = [...joint.facts.polkas]
  let { certified } = joint.facts
  let conflict = false
  for (let view = 0; view < model.views; view++) {
    if (!without.includes(4)) settle(model, members, at, 'prevotes', view)
    if (earliest > view * 3 + 1) {
      for (const value of model.values.keys()) {
        if (count(members, 'prevotes', view, value) < model.needed) continue
        polkas[value] = (without.includes(6) ? (polkas[value] as number) : 0) | (1 << view)
      }
      clear(members, 'prevotes', view)
    }
    if (!without.includes(4)) settle(model, members, at, 'precommits', view)
    for (const value of model.values.keys()) {
      if (count(members, 'precommits', view, value) >= model.needed) {
        conflict ||= certified !== 0 && certified !== 1 + value
        certified ||= 1 + value
      }
      if (certified === 1 + value && !without.includes(7)) nilFor(members, 'precommits', view, value)
    }
    if (earliest >= (view + 1) * 3) clear(members, 'precommits', view)
    if (view + 1 === model.views) for (const one of members) one.precommits &= ~(NIL << (4 * view))
  }
  const last = (model.views - 1) * 3
  for (const [i, one] of members.entries()) {
    if ((at[i] as number) > last) one.lock = 0
    const others = at.filter((_, j) => j !== i)
    if (one.proposal !== 0 && Math.min(...others) > offerPlace(model, one.proposal)) one.proposal = 0
  }
  if (earliest > last) polkas.fill(0)
  return { joint: { members, facts: { polkas, certified } }, conflict }
}

const offerPlace = ({ views, values }: Model, proposal: number): number =>
  3 * Math.floor((proposal - 1) / (views + 1) / values.length)

type Phase = 'prevotes' | 'precommits'

function count(members: readonly Content[], phase: Phase, view: number, value: number): number {
  let votes = 0
  for (const one of members) if (votesIn(one[phase], view) & bitOf(value)) votes++
  return votes
}

/** Reduction 4. */
function settle(model: Model, members: readonly Draft[], at: readonly number[], phase: Phase, view: number): void {
  const until = view * 3 + (phase === 'prevotes' ? 0 : 1)
  for (const value of model.values.keys()) {
    let possible = 0
    let votes = 0
    for (const [i, one] of members.entries()) {
      const has = (votesIn(one[phase], view) & bitOf(value)) !== 0
      if (has) votes++
      if (has || (at[i] as number) <= until) possible++
    }
    if (votes > 0 && possible < model.needed) nilFor(members, phase, view, value)
  }
}

function nilFor(members: readonly Draft[], phase: Phase, view: number, value: number): void {
  const bit = bitOf(value) << (4 * view)
  for (const one of members) if (one[phase] & bit) one[phase] = (one[phase] & ~bit) | (NIL << (4 * view))
}

function clear(members: readonly Draft[], phase: Phase, view: number): void {
  for (const one of members) one[phase] &= ~(15 << (4 * view))
}

/** Three of them and the facts make a number that is exact. */
const MAX_CONTENTS = 2 ** 15

/** Joint states as numbers: each member's content by index, and the facts. */
export class Names {
  readonly contents: Content[] = []
  private readonly indices = new Map<number, number>()
  private readonly orders: readonly (readonly number[])[]
  /** by order of the values and index */
  private readonly images: Int32Array[]

  constructor(private readonly model: Model) {
    this.orders = permutations([...model.values.keys()])
    this.images = this.orders.map(() => new Int32Array(MAX_CONTENTS).fill(-1))
  }

  indexOf(content: Content): number {
    const code = packed(content)
    let index = this.indices.get(code)
    if (index === undefined) {
      index = this.contents.push(content) - 1
      if (index >= MAX_CONTENTS) throw new Error('more members than names for them')
      this.indices.set(code, index)
    }
    return index
  }

  private image(order: number, index: number): number {
    const images = this.images[order] as Int32Array
    let image = images[index] as number
    if (image < 0) {
      const content = this.contents[index] as Content
      image = this.indexOf(renamed(this.model, content, this.orders[order] as number[]))
      images[index] = image
    }
    return image
  }

  /** Reduction 8: the least of all names. */
  nameOf({ members, facts }: Joint, place: (content: Content) => number): number {
    const { proposers } = this.model
    const earliest = Math.min(...members.map(place))
    const free = HONEST.filter((seat) => !proposers.some((one, view) => one === seat && view * 3 >= earliest))
    const indices = members.map((one) => this.indexOf(one)) as [number, number, number]
    let least = Number.POSITIVE_INFINITY
    for (const [i, order] of this.orders.entries()) {
      const [a, b, c] = sortedIn(free, indices.map((one) => this.image(i, one)) as [number, number, number])
      let said = facts.certified === 0 ? 0 : 1 + (order[facts.certified - 1] as number)
      const polkas = [0, 0, 0]
      for (const [from, to] of order.entries()) polkas[to] = facts.polkas[from] as number
      for (const one of polkas) said = said * 4 + one
      const name = ((said * MAX_CONTENTS + a) * MAX_CONTENTS + b) * MAX_CONTENTS + c
      if (name < least) least = name
    }
    return least
  }

  jointOf(name: number): Joint {
    let rest = name
    const take = (below: number): number => {
      const digit = rest % below
      rest = (rest - digit) / below
      return digit
    }
    const [c, b, a] = [take(MAX_CONTENTS), take(MAX_CONTENTS), take(MAX_CONTENTS)]
    const polkas = [take(4), take(4), take(4)].reverse()
    const members = [a, b, c].map((index) => this.contents[index]) as [Content, Content, Content]
    return { members, facts: { polkas, certified: rest } }
  }
}

function sortedIn(free: readonly number[], [a, b, c]: [number, number, number]): readonly [number, number, number] {
  const all: [number, number, number] = [a, b, c]
  const sorted = free.map((seat) => all[seat] as number).sort((x, y) => x - y)
  for (const [i, seat] of free.entries()) all[seat] = sorted[i] as number
  return all
}

function permutations(of: readonly number[]): readonly (readonly number[])[] {
  if (of.length === 0) return [[]]
  return of.flatMap((first) => permutations(of.filter((one) => one !== first)).map((rest) => [first, ...rest]))
}
