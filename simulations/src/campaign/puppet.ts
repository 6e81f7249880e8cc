/**
 * A member whose votes follow a script instead of its engine's judgement: it hears every proposal and vote that reaches it
 * and answers each honest member with votes of its own choice, one or several for the same phase and view. What its engine
 * would say in the agreement is never sent.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { sha256, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { openSigned } from '@flamesh/protocol/encoding/signed.js'
import { type Profile, profileOf } from '@flamesh/protocol/secagg/committee.js'
import {
  type Decision,
  type Electorate,
  PROPOSAL,
  proposerSeat,
  VOTE,
  valueId,
} from '@flamesh/protocol/secagg/consensus-messages.js'
import { castBallot, castProposal, signedProposal, signedVote } from '@flamesh/protocol/secagg/consensus-signed.js'
import type { WireOf } from '@flamesh/protocol/wire.js'
import type { SimulatedNode } from '../federation.js'
import type { Director } from './director.js'
import type { Liar, LieDeed } from './liar.js'
import type { Place, Scene } from './observer.js'

type Phase = 'prevote' | 'precommit'
/** undefined: no vote */
type Choice = Hex | null | undefined

interface Ask {
  readonly phase: Phase
  readonly view: number
  /** the first value proposed in the instance, and the one of this view */
  readonly first: Hex | undefined
  readonly now: Hex | undefined
  readonly victim: boolean
  readonly place: Place
  readonly to: string
}

type Script = (ask: Ask) => Choice

const coin = (text: string): number => sha256(utf8ToBytes(text))[0] as number

const SCRIPTS: Readonly<Record<NonNullable<LieDeed['script']>, Script>> = {
  // helps a value to its locks, and then nobody to anything else
  turncoat: ({ phase, view, first }) => (view === 0 && phase === 'prevote' ? first : null),
  split: ({ now, victim }) => (victim ? null : now),
  nil: () => null,
  // follows everyone, but its precommits come to the victims alone
  late: ({ phase, now, victim }) => (phase === 'prevote' || victim ? now : null),
  random: ({ phase, view, now, first, place, to }) => {
    const roll = coin(`${place.job}${place.round}.${place.attempt}/${phase}/${view}/${to}`)
    return roll < 90 ? now : roll < 130 ? first : roll < 210 ? null : undefined
  },
  abandoner: ({ phase, view, now }) => (phase === 'prevote' && view > 0 ? now : null),
}

interface Known {
  readonly place: Place
  readonly values: Map<number, Decision>
  readonly cast: Set<string>
  first: Decision | undefined
}

function attemptIn(known: Map<string, Known>, { job, round, attempt }: Place): Known {
  const name = `${job}/${round}.${attempt}`
  const fresh: Known = { place: { job, round, attempt }, values: new Map(), cast: new Set(), first: undefined }
  const it = known.get(name) ?? fresh
  known.set(name, it)
  return it
}

/** Notes the values that a message names; returns the highest view in it. */
function learn(it: Known, { proposal, votes, value }: WireOf<'consensus'>['message']): number {
  let highest = 0
  if (proposal !== null) {
    const { body } = openSigned(proposal, PROPOSAL)
    it.values.set(body.view, body.value)
    it.first ??= body.value
    highest = body.view
  }
  if (value !== null) it.first ??= value
  return votes.reduce((most, one) => Math.max(most, openSigned(one, VOTE).body.view), highest)
}

function areSeated(scene: Scene, job: Hex, ...nodes: readonly SimulatedNode[]): boolean {
  const { members } = scene.committeeOf(job)
  return nodes.every(({ name }) => members.includes(name))
}

export function puppet(director: Director, deed: LieDeed): Liar {
  const script = SCRIPTS[deed.script ?? 'random']
  const known = new Map<string, Known>()
  const { federation, scene } = director
  const self = federation.node(deed.node)

  const electorate = (place: Place): Electorate => {
    const seats = scene.committeeOf(place.job).members.map((name) => federation.node(name).key)
    return { instance: place, seats, profile: profileOf(seats.length) as Profile }
  }

  /** Its own votes of one view, to one member: again and again is no matter, twice differently is the point. */
  const answer = (it: Known, view: number, to: SimulatedNode): void => {
    const now = it.values.get(view)
    const ask = {
      view,
      first: it.first && valueId(it.first),
      now: now && valueId(now),
      victim: deed.victims.includes(to.name),
      place: it.place,
      to: to.name,
    }
    const votes = (['prevote', 'precommit'] as const).flatMap((phase) => {
      const value = script({ ...ask, phase })
      const name = `${phase}/${view}/${to.name}`
      if (value === undefined || it.cast.has(name)) return []
      it.cast.add(name)
      const place = electorate(it.place)
      return [
        signedVote(place, castBallot(place, { phase, view, value, seat: place.seats.indexOf(self.key) }, self.signer)),
      ]
    })
    if (votes.length > 0) say(it, to, { proposal: null, votes, value: it.first ?? null })
  }

  const say = (it: Known, to: SimulatedNode, message: WireOf<'consensus'>['message']): void => {
    director.say(self, to, { type: 'consensus', ...it.place, message })
  }

  /** Where it is its turn it proposes that the attempt be given up: admissible once every seat has had a turn. */
  const propose = (it: Known, view: number, to: SimulatedNode): void => {
    const place = electorate(it.place)
    const name = `propose/${view}/${to.name}`
    const seat = place.seats.indexOf(self.key)
    if (deed.script === 'nil' || view < place.seats.length || proposerSeat(place, view) !== seat || it.cast.has(name))
      return
    it.cast.add(name)
    const value: Decision = { kind: 'abandon', code: 'no-agreement' }
    const proposal = castProposal(place, { view, seat, validView: -1, value, attachments: [] }, self.signer)
    const vote = (phase: Phase) =>
      signedVote(place, castBallot(place, { phase, view, value: valueId(value), seat }, self.signer))
    it.cast.add(`prevote/${view}/${to.name}`).add(`precommit/${view}/${to.name}`)
    say(it, to, {
      proposal: signedProposal(place, proposal),
      votes: [vote('prevote'), vote('precommit')],
      value: null,
    })
  }

  const hear = (from: SimulatedNode, message: WireOf<'consensus'>): void => {
    const it = attemptIn(known, message)
    const highest = learn(it, message.message)
    for (let view = Math.max(0, highest - 1); view <= highest; view++) answer(it, view, from)
    for (let view = highest; view <= highest + 2; view++) propose(it, view, from)
  }

  return {
    says: (_from, _to, message) => (message.type === 'consensus' ? undefined : message),
    hears: (from, _to, message) => {
      if (message.type === 'consensus' && from !== self && areSeated(scene, message.job, from, self))
        hear(from, message)
    },
  }
}
