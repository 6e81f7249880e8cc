/**
 * What happens to a member of the consensus and what it asks for in return: plain data. Implements docs/spec/consensus.md,
 * "Events and effects".
 */
import type { Signer } from '../encoding/signed.js'
import type { ConsensusState } from './consensus-log.js'
import type { Certificate, ConsensusMessage, Decision, Reading } from './consensus-messages.js'
import type { Evidence } from './messages.js'

export type TimedPhase = 'propose' | 'prevote' | 'precommit'

export type ConsensusEvent =
  | { readonly type: 'start' }
  /** after a restart, and whenever the caller wants timers, questions and the standing message again */
  | { readonly type: 'resume' }
  /** what `readMessage(state.config, message, state.ballots)` made of a message from the member in seat `from` */
  | { readonly type: 'message'; readonly from: number; readonly reading: Reading }
  /** answers `need-value` */
  | {
      readonly type: 'value'
      readonly view: number
      readonly value: Decision
      readonly attachments: readonly Uint8Array[]
    }
  /** answers `need-verdict`; while the caller cannot tell, it does not answer */
  | { readonly type: 'verdict'; readonly view: number; readonly admissible: boolean }
  | { readonly type: 'timeout'; readonly view: number; readonly phase: TimedPhase }

/** A question to the caller. It stays open until answered or the view ends; `openQuestion` repeats it. */
export type Question =
  /** this member proposes in `view` and no earlier value binds it */
  | { readonly type: 'need-value'; readonly view: number }
  /** is this fresh value admissible by what the caller knows? */
  | {
      readonly type: 'need-verdict'
      readonly view: number
      readonly value: Decision
      readonly attachments: readonly Uint8Array[]
    }

export type ConsensusEffect =
  | Question
  /** to every other member, until accepted or replaced by the next broadcast of this decision */
  | { readonly type: 'broadcast'; readonly message: ConsensusMessage }
  | { readonly type: 'send'; readonly seat: number; readonly message: ConsensusMessage }
  | { readonly type: 'set-timer'; readonly view: number; readonly phase: TimedPhase; readonly delayMs: number }
  | { readonly type: 'decided'; readonly certificate: Certificate }
  | { readonly type: 'evidence'; readonly evidence: Evidence }
  /** a peer showed an own vote that the log does not hold: this node was restored from a backup and is silent from here on */
  | { readonly type: 'abstaining' }
  /** q precommits for a value other than the decided one: more than t members lie, nothing of this round may be opened */
  | { readonly type: 'conflict'; readonly certificates: readonly [Certificate, Certificate] }

export interface ConsensusStep {
  readonly state: ConsensusState
  readonly effects: readonly ConsensusEffect[]
}

export interface ConsensusContext {
  readonly signer: Signer
  /** true while this member must not vote: it takes what others say, and no more */
  readonly silent?: boolean
}
