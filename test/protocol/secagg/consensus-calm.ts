/**
 * From anywhere to a decision: the liar and the network do to three honest members of (4,1) whatever a random walk through
 * their moves does, members keeping all they are told; then the liar falls silent and every message arrives. Whatever state
 * that was, the three must decide, on one value, within a few views.
 */
import {
  type ConsensusEffect,
  type ConsensusEvent,
  type ConsensusState,
  step,
} from '@flamesh/protocol/secagg/consensus.js'
import { type Ballot, type Decision, valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import { type Content, contentOf, HONEST, LIAR, type Model, PRECOMMIT, START, votesIn } from './consensus-contents.js'
import { ballot, believe, fakeSigner, seatOf } from './consensus-harness.js'
import { eventsFor, type Witness } from './consensus-moves.js'
import { heardBy } from './consensus-search.js'
import type { Draw } from './consensus-simulation.js'

type Members<T> = [T, T, T]

export interface Calmed {
  readonly broken: readonly string[]
  /** where the storm left them: the members' places, locks and votes */
  readonly from: string
  /** the highest view before the calm, and at the end */
  readonly views: readonly [number, number]
}

const LIMIT_MS = 5_000

/** A walk of so many moves, and the calm after it. */
export function calmAfter(model: Model, moves: number, draw: Draw): Calmed {
  const members = HONEST.map((seat) => model.machine.begin(model.config(seat))) as Members<ConsensusState>
  const contents: Members<Content> = [START, START, START]
  const act = (seat: number, event: ConsensusEvent): readonly ConsensusEffect[] => {
    const { state, effects } = step(members[seat] as ConsensusState, event, { signer: fakeSigner(seat) })
    members[seat] = state
    const content = contentOf(model, contents[seat] as Content, state)
    contents[seat] = state.step === 'decided' ? { ...content, at: PRECOMMIT } : content
    return effects
  }
  const broken = new Set<string>()
  const note = (effects: readonly ConsensusEffect[]) => {
    for (const one of effects) {
      if (one.type === 'abstaining' || one.type === 'conflict') broken.add(one.type)
      if (one.type === 'evidence' && seatOf(one.evidence.against) !== LIAR) broken.add('honest member accused')
    }
  }
  for (const seat of HONEST) act(seat, { type: 'start' })
  for (let i = 0; i < moves; i++) {
    const seat = draw(3)
    if ((members[seat] as ConsensusState).step === 'decided') continue
    const heard = heardBy(model, { members: contents, facts: { polkas: [0, 0, 0], certified: 0 } }, seat)
    const options = [...eventsFor(model, seat, contents[seat] as Content, heard, witnessOf(model, contents, seat))]
    for (const event of options[draw(options.length)] ?? []) note(act(seat, event))
  }
  const highest = () => Math.max(...members.map(({ view }) => view))
  const before = highest()
  const from = JSON.stringify(contents)
  settleDown(model, members, act, note, draw)
  const decided = members.map(({ certificate }) => (certificate === null ? null : valueId(certificate.value)))
  if (decided.includes(null)) broken.add('no decision')
  else if (new Set(decided).size > 1) broken.add('two decisions')
  return { broken: [...broken], from, views: [before, highest()] }
}

/** The votes as they were really cast. */
function witnessOf(model: Model, contents: Members<Content>, seat: number): Witness {
  return {
    signers: (view, value) => HONEST.filter((one) => votesIn((contents[one] as Content).prevotes, view) & (2 << value)),
    seen: (view) => {
      for (const one of HONEST) {
        if (one === seat) continue
        for (const [phase, field] of [
          ['prevote', 'prevotes'],
          ['precommit', 'precommits'],
        ] as const) {
          const bits = votesIn((contents[one] as Content)[field], view)
          if (bits !== 0)
            return ballot(
              phase as Ballot['phase'],
              view,
              bits & 1 ? null : (model.ids[Math.log2(bits) - 1] as string),
              one,
            )
        }
      }
      throw new Error('nobody was seen there')
    },
  }
}

/** Everyone goes on from what it has on disk; every message arrives within 3 ms, timers run as they are set. */
function settleDown(
  model: Model,
  members: Members<ConsensusState>,
  act: (seat: number, event: ConsensusEvent) => readonly ConsensusEffect[],
  note: (effects: readonly ConsensusEffect[]) => void,
  draw: Draw,
): void {
  const queue: { readonly atMs: number; readonly seat: number; readonly event: ConsensusEvent }[] = []
  const opinions = new Map<string, number>()
  let nowMs = 0
  const later = (delayMs: number, seat: number, event: ConsensusEvent) => {
    const atMs = nowMs + delayMs
    const at = queue.findIndex((one) => one.atMs > atMs)
    queue.splice(at < 0 ? queue.length : at, 0, { atMs, seat, event })
  }
  /** What the liar proposed is admissible to some, to others not, and some never know. */
  const judge = (seat: number, view: number, value: Decision) => {
    const name = `${seat} ${valueId(value)}`
    const opinion = opinions.get(name) ?? draw(3)
    opinions.set(name, opinion)
    const honest = model.proposers[view] !== LIAR && view % 4 !== model.proposers.indexOf(LIAR)
    if (honest || opinion < 2) later(1, seat, { type: 'verdict', view, admissible: honest || opinion === 1 })
  }
  const carryOut = (from: number, effects: readonly ConsensusEffect[]) => {
    note(effects)
    for (const one of effects) {
      if (one.type === 'broadcast') {
        for (const seat of HONEST)
          if (seat !== from) later(1 + draw(3), seat, { type: 'message', from, reading: believe(one.message) })
      } else if (one.type === 'send') {
        later(1 + draw(3), one.seat, { type: 'message', from, reading: believe(one.message) })
      } else if (one.type === 'set-timer') {
        later(one.delayMs, from, { type: 'timeout', view: one.view, phase: one.phase })
      } else if (one.type === 'need-value') {
        const value = model.values[draw(model.values.length)] as Decision
        later(1, from, { type: 'value', view: one.view, value, attachments: [] })
      } else if (one.type === 'need-verdict') judge(from, one.view, one.value)
    }
  }
  for (const seat of HONEST) carryOut(seat, act(seat, { type: 'resume' }))
  while (members.some((one) => one.step !== 'decided')) {
    const next = queue.shift()
    if (next === undefined || next.atMs > LIMIT_MS) return
    nowMs = next.atMs
    carryOut(next.seat, act(next.seat, next.event))
  }
}
