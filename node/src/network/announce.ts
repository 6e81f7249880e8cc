/**
 * Announcements: gossipsub on one topic, every one of them judged by the protocol before it is passed on. Implements
 * docs/spec/transport.md, "Announcements" and "Scoring". Delivery is best effort and may be twice: the message id is sender
 * and sequence number, so repetition and replay are the protocol's to notice.
 */
import { type GossipSub, gossipsub, type Message, TopicValidatorResult } from '@chainsafe/libp2p-gossipsub'
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { Verdict } from '@flamesh/protocol/encoding/verdict.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import { MAX_GOSSIP_BYTES } from '@flamesh/protocol/limits.js'
import type { PeerId } from '@libp2p/interface'
import { type Log, reasonOf } from '../log.js'
import {
  MAX_GOSSIP_BUFFER_BYTES,
  MAX_GOSSIP_FRAME_BYTES,
  MAX_PENDING_ANNOUNCEMENT_BYTES,
  MAX_QUEUED_ANNOUNCEMENTS,
} from './limits.js'
import { keyOf } from './peer-id.js'
import type { Penalties } from './penalties.js'

export const ANNOUNCE_TOPIC = 'flamesh/1/announce'

/** Below this the router ignores a peer altogether. */
export const GRAYLIST_SCORE = -80
/** Squared rejections times this: the second stops gossip with the peer, the fifth silences it. */
const REJECT_WEIGHT = -4
/** Per second; a fault is forgotten in about ten minutes. */
const REJECT_DECAY = 0.9923

/** What the router has beside the interface it declares. */
interface Router extends GossipSub {
  getMeshPeers(topic: string): string[]
  readonly score: { score(peer: string): number }
}

/**
 * The router's parameters. D is what a large federation needs; Dhi is beyond any federation, because the node in the middle
 * of a star prunes, and loses messages for, whoever is above it. Colocation is not scored: a hospital's sites share one
 * address. Nor is silence (mesh delivery): a federation is quiet for days.
 */
export function router(penalties: Penalties) {
  return gossipsub({
    D: 8,
    Dlo: 6,
    Dhi: 4096,
    Dscore: 4,
    Dout: 2,
    floodPublish: true,
    fallbackToFloodsub: false,
    globalSignaturePolicy: 'StrictSign',
    allowPublishToZeroTopicPeers: true,
    allowedTopics: [ANNOUNCE_TOPIC],
    maxInboundDataLength: MAX_GOSSIP_FRAME_BYTES,
    maxOutboundBufferSize: MAX_GOSSIP_BUFFER_BYTES,
    scoreThresholds: {
      gossipThreshold: -10,
      publishThreshold: -50,
      graylistThreshold: GRAYLIST_SCORE,
    },
    scoreParams: {
      IPColocationFactorWeight: 0,
      behaviourPenaltyWeight: -1,
      behaviourPenaltyThreshold: 6,
      behaviourPenaltyDecay: 0.99,
      appSpecificScore: (peer) => REJECT_WEIGHT * penalties.of(peer) ** 2,
      appSpecificWeight: 1,
      topics: {
        [ANNOUNCE_TOPIC]: {
          topicWeight: 1,
          timeInMeshWeight: 0.02,
          timeInMeshQuantum: 60_000,
          timeInMeshCap: 60,
          firstMessageDeliveriesWeight: 0.05,
          firstMessageDeliveriesDecay: 0.99,
          firstMessageDeliveriesCap: 40,
          meshMessageDeliveriesWeight: 0,
          meshMessageDeliveriesDecay: 0.5,
          meshMessageDeliveriesCap: 1,
          meshMessageDeliveriesThreshold: 1,
          meshMessageDeliveriesWindow: 10,
          meshMessageDeliveriesActivation: 5000,
          meshFailurePenaltyWeight: 0,
          meshFailurePenaltyDecay: 0.5,
          invalidMessageDeliveriesWeight: REJECT_WEIGHT,
          invalidMessageDeliveriesDecay: REJECT_DECAY,
        },
      },
    },
  })
}

export interface AnnouncerOptions {
  readonly isMember: (key: Hex) => boolean
  readonly receive: (author: Hex, message: Uint8Array) => Promise<Verdict>
  readonly log: Log
}

export class Announcer {
  readonly #router: Router
  readonly #options: AnnouncerOptions
  #queue: Uint8Array[] = []
  #flushing = false
  #pendingBytes = 0
  #closed = false

  constructor(pubsub: GossipSub, options: AnnouncerOptions) {
    this.#router = pubsub as Router
    this.#options = options
  }

  /** After the host has started. */
  open(): void {
    this.#router.topicValidators.set(ANNOUNCE_TOPIC, (_relay, message) => this.#judge(message))
    this.#router.addEventListener('subscription-change', this.#flush)
    this.#router.addEventListener('gossipsub:heartbeat', this.#flush)
    this.#router.subscribe(ANNOUNCE_TOPIC)
  }

  close(): void {
    this.#closed = true
    this.#queue = []
    this.#router.removeEventListener('subscription-change', this.#flush)
    this.#router.removeEventListener('gossipsub:heartbeat', this.#flush)
  }

  /**
   * Tells every member, or the first that turns up when there is none now. Throws `message-too-large`: one frame above the
   * receivers' limit closes their gossip links for good.
   */
  publish(message: Uint8Array): void {
    if (message.length > MAX_GOSSIP_BYTES) {
      throw new FlameshError('message-too-large', 'an announcement this large would not be accepted by any peer', {
        meta: { bytes: message.length, limit: MAX_GOSSIP_BYTES },
      })
    }
    if (this.#closed) return
    this.#queue.push(message)
    if (this.#queue.length > MAX_QUEUED_ANNOUNCEMENTS) {
      this.#queue.shift()
      this.#options.log('warn', 'announcement-dropped', { queued: this.#queue.length })
    }
    this.#flush()
  }

  /** Peer ids of those who subscribed over a gossip link that is alive. */
  audience(): ReadonlySet<string> {
    return new Set(this.#router.getSubscribers(ANNOUNCE_TOPIC).map((peer) => peer.toString()))
  }

  inMesh(peer: PeerId): boolean {
    return this.#router.getMeshPeers(ANNOUNCE_TOPIC).includes(peer.toString())
  }

  score(peer: PeerId): number {
    return this.#router.score.score(peer.toString())
  }

  /** Publishes what is queued as long as somebody receives it. One at a time, so that order is kept. */
  #flush = (): void => {
    if (this.#flushing || this.#queue.length === 0) return
    this.#flushing = true
    this.#drain()
      .catch((error) => this.#options.log('warn', 'announcement-failed', { reason: reasonOf(error) }))
      .finally(() => {
        this.#flushing = false
      })
  }

  async #drain(): Promise<void> {
    for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
      if (this.#router.getSubscribers(ANNOUNCE_TOPIC).length > 0) {
        const { recipients } = await this.#router.publish(ANNOUNCE_TOPIC, message)
        if (recipients.length > 0) continue
      }
      if (!this.#closed) this.#queue.unshift(message)
      return
    }
  }

  async #judge(message: Message): Promise<TopicValidatorResult> {
    if (message.type !== 'signed' || message.data.length > MAX_GOSSIP_BYTES) return TopicValidatorResult.Reject
    const author = keyOf(message.from)
    if (author === undefined) return TopicValidatorResult.Reject
    // Whoever passed it on may not have heard yet that the author is no member, or we not yet that it is one.
    if (!this.#options.isMember(author)) return TopicValidatorResult.Ignore
    const bytes = message.data.length
    if (this.#closed || this.#pendingBytes + bytes > MAX_PENDING_ANNOUNCEMENT_BYTES) return TopicValidatorResult.Ignore
    this.#pendingBytes += bytes
    try {
      return routerVerdict(await this.#options.receive(author, message.data))
    } finally {
      this.#pendingBytes -= bytes
    }
  }
}

function routerVerdict(verdict: Verdict): TopicValidatorResult {
  switch (verdict.verdict) {
    case 'accept':
      return TopicValidatorResult.Accept
    case 'reject':
      return TopicValidatorResult.Reject
    case 'ignore':
    case 'later':
      return TopicValidatorResult.Ignore
  }
}
