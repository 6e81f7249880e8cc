/** What the control socket reaches of a daemon. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import type { Peer } from '@flamesh/protocol/peer.js'
import type { PeerDocument, StatusDocument } from './documents.js'

export interface Daemon {
  readonly peer: Peer
  status(): StatusDocument
  peers(): Promise<readonly PeerDocument[]>
  /** a parsed job document as a job that a researcher, by default this node, could submit now. Throws FlameshError. */
  compile(document: unknown, researcher?: Hex): Job
  /** the key of a member by name; without a name this node's if it may ask, else that of any member that may. Throws `not-found`. */
  researcher(name: string | undefined): Hex
  /** reads policy and datasets anew from the folder and puts them in force. Throws FlameshError and changes nothing. */
  reload(): Promise<StatusDocument>
  /** calls back after every event of the peer; returns how to stop that */
  onChange(listener: () => void): () => void
  stop(): void
}
