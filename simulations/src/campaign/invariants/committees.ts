/**
 * Invariant 2 across committees: one committee a dataset at any time. The predecessor's right to certify ends with the statement
 * in a node's own log, the successor's begins with a quorum of retirements on its own disk.
 */

import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { decode } from '@flamesh/protocol/encoding/canonical.js'
import type { SimulatedNode } from '../../federation.js'
import { type MakeInvariant, rowFor, type Scene } from '../observer.js'

interface Ballot {
  readonly seat: number
  readonly value: Hex | null
}

/** The committee that succeeds this one, as far as this node's own log knows. */
function isSucceeded(scene: Scene, node: SimulatedNode, committee: number): boolean {
  const size = node.peer?.roster().size ?? 0
  return scene.committees.some((one) => one.succeeds === committee && one.index < size)
}

export const oneCommittee: MakeInvariant = (scene) => {
  const votes = new Map<string, number>()
  const name = '2 one committee'
  return {
    name,
    wrote: ({ node, key, value }) => {
      const found = /^job\/([0-9a-f]+)\/(signed|member\/attempt|member\/consensus|site\/rounds\/.*)$/.exec(key)
      if (value === null || found === null || scene.committees.length === 1) return
      const [, job, what] = found as unknown as [string, Hex, string]
      const committee = scene.committeeOf(job)
      const over = isSucceeded(scene, node, committee.index)
      if (what === 'signed')
        scene.check(name, !over, () => `${node.name} takes up a job of a committee that was succeeded`)
      else if (what === 'member/consensus') {
        const { ballots } = decode(value) as unknown as { ballots: readonly Ballot[] }
        const seat = committee.members.indexOf(node.name)
        const own = ballots.filter((one) => one.seat === seat).length
        const before = votes.get(`${node.name}/${job}`) ?? 0
        votes.set(`${node.name}/${job}`, own)
        scene.check(name, !over || own <= before, () => `${node.name} votes in a committee that was succeeded`)
      } else if (what === 'member/attempt') {
        const { signed } = decode(value) as unknown as { signed: Hex | null }
        if (signed === null || committee.succeeds === undefined) return
        const before = scene.committees.find((one) => one.index === committee.succeeds)
        const prefix = `desk/retirements/${committee.succeeds}/${committee.index}/`
        const retired = [...node.disk.entries.keys()].filter((one) => one.startsWith(prefix)).length
        const { quorum } = rowFor(before?.members.length ?? 4)
        scene.check(name, retired >= quorum, () => `${node.name} begins with ${retired} retirements of its predecessor`)
      } else {
        const { status } = decode(value) as unknown as { status: string }
        if (status === 'preparing')
          scene.check(name, !over, () => `${node.name} answers a committee that was succeeded`)
      }
    },
  }
}

export const committees: readonly MakeInvariant[] = [oneCommittee]
