/** The roster for people and scripts: names instead of keys, and what waits. It proves nothing; nodes fold the log. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { committeeFor, type Member, type Roster } from '@flamesh/protocol/identity/roster.js'
import type { ImageDescription } from '@flamesh/protocol/images/description.js'
import type { Hub } from './hub.js'

export interface RosterView {
  readonly hubKey: Hex
  readonly size: number
  readonly signedAt: string
  readonly members: readonly {
    readonly name: string
    readonly organisation: string
    readonly roles: readonly string[]
    readonly status: 'active' | 'not yet valid' | 'expired' | 'revoked'
    readonly key: Hex
    readonly index: number
    readonly validUntil: string
  }[]
  readonly committees: readonly {
    readonly name: string
    readonly index: number
    /** names in seat order */
    readonly members: readonly string[]
    /** as its statement names them */
    readonly datasets: readonly string[]
    /** those that no other committee has taken over */
    readonly serves: readonly string[]
  }[]
  readonly attestations: readonly {
    readonly analysis: string
    readonly hash: Hex
    readonly reviewers: readonly string[]
    readonly withdrawn: boolean
    readonly index: number
  }[]
  readonly images: readonly {
    readonly image: string
    /** of the description */
    readonly hash: Hex
    readonly reviewers: readonly string[]
    readonly withdrawn: boolean
    readonly index: number
    readonly description: ImageDescription
  }[]
  readonly invites: readonly { readonly name: string; readonly organisation: string; readonly expiresAt: string }[]
  readonly policyFloor: Roster['policyFloor'] | null
}

const iso = (ms: number) => new Date(ms).toISOString()

function status(member: Member, nowMs: number): RosterView['members'][number]['status'] {
  if (member.revokedAt !== undefined) return 'revoked'
  if (nowMs < member.notBefore) return 'not yet valid'
  return nowMs < member.notAfter ? 'active' : 'expired'
}

export function rosterView(hub: Hub): RosterView & Record<string, unknown> {
  const { roster, checkpoint } = hub.state
  const nowMs = hub.now()
  return {
    hubKey: hub.key,
    size: roster.size,
    signedAt: iso(checkpoint?.body.timestamp ?? 0),
    members: [...roster.members.values()].map((member) => ({
      name: member.name,
      organisation: member.organisation,
      roles: member.roles,
      status: status(member, nowMs),
      key: member.key,
      index: member.index,
      validUntil: iso(member.notAfter),
    })),
    committees: [...roster.committees.values()].map(({ name, index, members, datasets }) => {
      const serves = datasets.filter((dataset) => committeeFor(roster, dataset)?.index === index)
      return { name, index, members: members.map((key) => roster.members.get(key)?.name ?? key), datasets, serves }
    }),
    attestations: roster.attestations.map(({ analysis, analysisHash, reviewers, withdrawn, index }) => {
      return { analysis, hash: analysisHash, reviewers, withdrawn, index }
    }),
    images: [...roster.images.values()].map(({ hash, reviewers, withdrawn, index, description }) => {
      return { image: description.image, hash, reviewers, withdrawn, index, description }
    }),
    invites: hub.openInvites().map(({ name, organisation, expiresAt }) => {
      return { name, organisation, expiresAt: iso(expiresAt) }
    }),
    policyFloor: roster.policyFloor ?? null,
  }
}
