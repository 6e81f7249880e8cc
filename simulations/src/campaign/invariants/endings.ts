/** Invariant 10 of the design, what must be gone in the end, whom nobody may accuse, and that no engine ever fails. */

import { decode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, type Signed } from '@flamesh/protocol/encoding/signed.js'
import { PREKEY, SPECIFICATION } from '@flamesh/protocol/secagg/messages.js'
import type { AttemptRecord } from '@flamesh/protocol/wire.js'
import { RESEARCHER, toldInTime } from '../case.js'
import type { MakeInvariant, Scene } from '../observer.js'

const OVER: readonly string[] = ['refused', 'released', 'suppressed', 'failed', 'expired', 'cancelled']

/** Whether every job has ended at the researcher and at every honest member; one that is down has yet to hear of it. */
export function allEnded(scene: Scene): boolean {
  const researcher = scene.federation.node(RESEARCHER)
  if (researcher.peer === undefined) return false
  for (const [key, value] of researcher.disk.entries)
    if (key.endsWith('/request/status') && !OVER.includes((decode(value) as { status: string }).status)) return false
  const ended = scene.honest.every(({ disk }) => openJobs(disk.entries).length === 0)
  return ended && toldNodes(scene).every(({ disk }) => untoldJobs(disk.entries).length === 0)
}

/** Nodes put back to a backup that everybody is there to tell what they missed. */
const toldNodes = (scene: Scene) => [...toldInTime(scene.one)].map((name) => scene.federation.node(name))

/** Jobs of which a site's own disk does not say how they ended: it sits them out, but hears. */
function untoldJobs(entries: ReadonlyMap<string, Uint8Array>): readonly string[] {
  return [...entries].flatMap(([key, value]) => {
    const id = /^job\/([0-9a-f]+)\/site\/status$/.exec(key)?.[1]
    if (id === undefined) return []
    const { status, code } = decode(value) as { status: string; code: string }
    return !OVER.includes(status) || code === 'restored-from-backup' ? [id] : []
  })
}

/** Jobs of which a member's own disk says that they have not ended. */
function openJobs(entries: ReadonlyMap<string, Uint8Array>): readonly string[] {
  return [...entries].flatMap(([key, value]) => {
    const id = /^job\/([0-9a-f]+)\/member\/progress$/.exec(key)?.[1]
    return id !== undefined && (decode(value) as { ended?: unknown }).ended === null ? [id] : []
  })
}

/** 10. With at most t faulty members and a network that calmed down every job ends, certified or abandoned. */
export const everyJobEnds: MakeInvariant = (scene) => ({
  name: '10 every job ends',
  ended: () => {
    const researcher = scene.federation.node(RESEARCHER)
    for (const job of researcher.peer?.jobs() ?? [])
      scene.check(
        '10 every job ends',
        OVER.includes(job.status),
        () => `${job.job.slice(0, 6)} is still ${job.status} at the researcher`,
      )
    for (const node of scene.honest) {
      if (node.peer === undefined) continue
      const open = openJobs(node.disk.entries)
      scene.check(
        '10 every job ends',
        open.length === 0,
        () => `${open.map((id) => id.slice(0, 6))} goes on at ${node.name}`,
      )
    }
    for (const { name, disk } of toldNodes(scene)) {
      const open = untoldJobs(disk.entries)
      scene.check(
        '10 every job ends',
        open.length === 0,
        () => `${open.map((id) => id.slice(0, 6))} never ends at ${name}, which was put back to a backup`,
      )
    }
  },
})

/** 4. One-time keys are gone when their attempt is over: nothing recorded before can be opened after. */
export const keysErased: MakeInvariant = (scene) => ({
  name: '4 keys erased',
  ended: () => {
    for (const node of scene.honest) {
      if (node.peer === undefined) continue
      const open = openJobs(node.disk.entries)
      const inUse = new Set(
        open.flatMap((id) => scene.read<{ keys: readonly string[] }>(node, `job/${id}/member/attempt`)?.keys ?? []),
      )
      for (const [key, value] of node.disk.entries) {
        if (!/^job\/[0-9a-f]+\/member\/records\//.test(key)) continue
        const { specification } = decode(value) as unknown as AttemptRecord
        if (specification === null) continue
        const seats = openSigned(specification as Signed, SPECIFICATION).body.committee.seats
        for (const seat of seats) {
          const prekey = seat && openSigned(seat, PREKEY).body
          if (prekey?.member !== node.key || inUse.has(prekey.key)) continue
          scene.check(
            '4 keys erased',
            !node.disk.secrets.has(`prekey-${prekey.key}`),
            () => `${node.name} keeps the key of a finished attempt`,
          )
        }
      }
    }
  },
})

/** 4. A state is readable with a key that goes with the job: no vault keeps one for a job that is over at its node. */
export const statesErased: MakeInvariant = (scene) => ({
  name: '4 states erased',
  ended: () => {
    for (const node of scene.honest) {
      if (node.peer === undefined) continue
      for (const name of node.disk.secrets.keys()) {
        const job = /^states-([0-9a-f]+)$/.exec(name)?.[1]
        if (job === undefined) continue
        const { status } = scene.read<{ status: string }>(node, `job/${job}/site/status`) ?? { status: 'none' }
        const { previous } = scene.read<{ previous: unknown }>(node, `job/${job}/member/progress`) ?? { previous: null }
        const isOpen = status === 'preparing' || status === 'submitted' || previous !== null
        scene.check('4 states erased', isOpen, () => `${node.name} keeps the key of states of ${job.slice(0, 6)}`)
      }
    }
  },
})

/** 7. `Evidence` never names an honest node, nor one that was put back to a backup and could be told. */
export const honestNeverAccused: MakeInvariant = (scene) => ({
  name: '7 nobody honest accused',
  ended: () => {
    const told = toldInTime(scene.one)
    for (const node of scene.honest)
      for (const { event, fields } of node.audit) {
        if (event !== 'evidence') continue
        const against = String(fields.against ?? '')
        const known = against === '' || (scene.dishonest.has(against) && !told.has(against))
        scene.check('7 nobody honest accused', known, () => `${node.name} accuses ${against} of ${fields.kind}`)
      }
  },
})

/** A reject costs its sender: an honest one is never told that, whatever it has not heard yet. */
export const honestNeverRejected: MakeInvariant = (scene) => ({
  name: '7 nobody honest rejected',
  ended: () => {
    for (const node of scene.honest)
      for (const { event, fields } of node.audit) {
        if (event !== 'message-rejected') continue
        const from = scene.byKey.get(String(fields.from))
        const fair = from === undefined || !scene.isHonest(from)
        scene.check(
          '7 nobody honest rejected',
          fair,
          () => `${node.name} rejects ${fields.type} of ${from?.name} as ${fields.code}`,
        )
      }
  },
})

/** Nothing that a peer sends makes an engine fail, or two certificates meet. */
export const noFault: MakeInvariant = (scene) => ({
  name: 'no fault',
  ended: () => {
    for (const node of scene.honest) {
      for (const { event, fields } of node.events)
        scene.check('no fault', event !== 'internal-error', () => `${node.name}: ${String(fields.error).slice(0, 300)}`)
      for (const { event } of node.audit)
        scene.check('no fault', event !== 'conflict', () => `${node.name} saw two certificates`)
    }
  },
})

export const endings: readonly MakeInvariant[] = [
  everyJobEnds,
  keysErased,
  statesErased,
  honestNeverAccused,
  honestNeverRejected,
  noFault,
]
