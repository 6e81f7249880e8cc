/** What the members say they have: their announced datasets, newest first known, signed by the site itself (docs/spec/jobs.md). */
import { hashOf } from '../encoding/canonical.js'
import { openSigned, type Signed, type Signer, signObject } from '../encoding/signed.js'
import { activeMember, type Roster } from '../identity/roster.js'
import type { DatasetAnnouncement, DatasetDescription } from '../jobs/dataset.js'
import { DATASETS, type DatasetsAnnouncement } from '../jobs/messages.js'
import { withEntry } from '../machine.js'
import type { DeskState } from './desk.js'

/** A site's announcement, if it is newer than the one known. Throws what opening it throws. */
export function learnDatasets(desk: DeskState, roster: Roster, nowMs: number, signed: Signed): DeskState {
  const { body, signers } = openSigned(signed, DATASETS)
  if (signers.length !== 1 || signers[0] !== body.site || activeMember(roster, body.site, nowMs) === undefined)
    return desk
  const known = desk.datasets.get(body.site)
  if (known !== undefined && openSigned(known, DATASETS).body.sequence >= body.sequence) return desk
  return { ...desk, datasets: withEntry(desk.datasets, body.site, signed) }
}

/** This node's own announcement, signed anew only when it says something new. */
export function announceDatasets(
  desk: DeskState,
  signer: Signer,
  nowMs: number,
  datasets: readonly DatasetDescription[],
): DeskState {
  const announced: readonly DatasetAnnouncement[] = datasets.map(({ version: _, ...rest }) => rest)
  const known = desk.datasets.get(signer.publicKey)
  const before = known === undefined ? undefined : openSigned(known, DATASETS).body
  if (before === undefined ? announced.length === 0 : hashOf(before.datasets) === hashOf(announced)) return desk
  const body: DatasetsAnnouncement = {
    site: signer.publicKey,
    sequence: Math.max(nowMs, (before?.sequence ?? 0) + 1),
    datasets: [...announced],
  }
  return {
    ...desk,
    datasets: withEntry(desk.datasets, signer.publicKey, signObject(DATASETS.kind, DATASETS.version, body, signer)),
  }
}

export function catalogueOf(
  desk: DeskState,
  roster: Roster,
  nowMs: number,
): ReadonlyMap<string, readonly DatasetAnnouncement[]> {
  const found = new Map<string, readonly DatasetAnnouncement[]>()
  for (const [key, signed] of desk.datasets) {
    const member = activeMember(roster, key, nowMs)
    if (member !== undefined) found.set(member.name, openSigned(signed, DATASETS).body.datasets)
  }
  return found
}
