/**
 * Follows the hub: asks for new statements and checkpoints, leaves the verifying to the peer, and trades peer records,
 * which are hints. Implements the node's end of docs/spec/identity.md, "Following the log". A hub that is off is a line in
 * the log and in `status`, nothing more.
 */
import { errorCode } from '@flamesh/protocol/errors.js'
import type { Peer } from '@flamesh/protocol/peer.js'
import type { HubStatus } from '../control/documents.js'
import type { HubClient } from '../hub-client/hub-client.js'
import type { Log } from '../log.js'
import type { Host } from '../network/network.js'

export interface FollowOptions {
  readonly url: string
  readonly pollMs: number
  readonly client: HubClient
  readonly peer: Pick<Peer, 'learnLog' | 'roster'>
  readonly host: Pick<Host, 'peerRecord' | 'learn'>
  readonly onLog: () => void
  readonly log: Log
}

export interface HubFollower {
  status(): HubStatus
  stop(): Promise<void>
}

/** Polls spread by a fifth, so that nodes started together do not ask together. */
const JITTER = 0.2

export function followHub(options: FollowOptions): HubFollower {
  const { url, pollMs, log } = options
  const exchange = createExchange(options)
  let status: HubStatus = { url, reachable: false, lastAnswerMs: null, problem: null }
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const poll = async (): Promise<void> => {
    try {
      await exchange()
      if (!status.reachable) log('info', 'hub-reachable', { url })
      status = { url, reachable: true, lastAnswerMs: Date.now(), problem: null }
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error)
      if (status.reachable || status.problem !== problem)
        log('warn', 'hub-problem', { url, code: errorCode(error), problem })
      status = { ...status, reachable: false, problem }
    }
    if (!stopped) timer = setTimeout(next, pollMs * (1 - JITTER + 2 * JITTER * Math.random()))
  }
  let polling: Promise<void> = Promise.resolve()
  const next = (): void => {
    polling = poll()
  }
  next()
  return {
    status: () => status,
    async stop() {
      stopped = true
      clearTimeout(timer)
      // an open question ends by its own time limit; nobody waits for that
      await Promise.race([polling, new Promise((resolve) => setTimeout(resolve, 500).unref())])
    },
  }
}

/** One exchange with the hub: the log first, since who is a member decides whose records count. */
function createExchange({ client, peer, host, onLog, log }: FollowOptions): () => Promise<void> {
  let published: Uint8Array | undefined
  let refused = ''
  return async () => {
    const update = await client.fetchLog(peer.roster().size)
    const learned = await peer.learnLog(update.statements, update.checkpoint)
    if (learned.outcome === 'refused') {
      const { code, message } = learned
      if (refused !== code) log('error', 'hub-log-refused', { code, message })
      refused = code
    } else refused = ''
    if (learned.outcome === 'extended') {
      log('info', 'log-extended', { size: learned.size })
      onLog()
    }
    const record = host.peerRecord()
    if (record !== undefined && record !== published) {
      await client.publishPeerRecord(record)
      published = record
    }
    host.learn(await client.peers())
  }
}
