/** What several of these tests need: a small federation as a roster, its announcements, and errors as values. */
import { type Hex, sha256Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { errorCode, FlameshError } from '@flamesh/protocol/errors.js'
import type { Member, Role, Roster } from '@flamesh/protocol/identity/roster.js'
import { descriptionHash, type ImageDescription } from '@flamesh/protocol/images/description.js'
import { type CompileContext, compileJob } from '@flamesh/protocol/jobs/compile.js'
import type { DatasetAnnouncement } from '@flamesh/protocol/jobs/dataset.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'

export function thrown(run: () => unknown): FlameshError {
  try {
    run()
  } catch (error) {
    if (error instanceof FlameshError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

export const thrownCode = (run: () => unknown): string => errorCode(thrown(run))

export const NOW = 1_800_000_000_000
const DAY = 86_400_000

/** A made-up key: these tests check no signatures. */
export const keyOf = (name: string): Hex => sha256Hex(utf8ToBytes(name))

function member(name: string, organisation: string, roles: readonly Role[], index: number): Member {
  return {
    key: keyOf(name),
    sealingKey: keyOf(`${name}/sealing`),
    name,
    organisation,
    roles,
    notBefore: NOW - DAY,
    notAfter: NOW + 60 * DAY,
    index,
    revokedAt: undefined,
  }
}

export const SITES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((letter) => `site-${letter}`)
const MEMBERS = [
  ...SITES.map((name, index) => member(name, name.replace('site', 'org'), ['site', 'aggregator'], index)),
  member('ruth', 'university-hospital', ['researcher'], 8),
  /** of an organisation with a seat on the committee */
  member('adam', 'org-a', ['researcher'], 9),
  member('bea', 'org-b', ['researcher'], 10),
  /** a second site of organisation a */
  member('site-a2', 'org-a', ['site'], 11),
]

export const COMMITTEE = { name: 'default', index: 12, members: SITES.slice(0, 4).map(keyOf), datasets: ['lung'] }

export const roster: Roster = {
  size: 13,
  members: new Map(MEMBERS.map((one) => [one.key, one])),
  committees: new Map([[COMMITTEE.index, COMMITTEE]]),
  attestations: [],
  images: new Map(),
}

export function withMember(name: string, change: Partial<Member>): Roster {
  const changed = { ...(roster.members.get(keyOf(name)) as Member), ...change }
  return { ...roster, members: new Map(roster.members).set(changed.key, changed) }
}

const column = (name: string, type: 'number' | 'integer' | 'level', levels?: string[]) => ({
  name,
  type,
  ...(levels ? { levels } : {}),
})

export const LUNG: DatasetAnnouncement = {
  name: 'lung',
  roundedRows: 30,
  columns: [
    column('time', 'integer'),
    column('status', 'integer', ['1', '2']),
    column('age', 'integer'),
    column('sex', 'integer', ['1', '2']),
    column('ph.ecog', 'integer', ['0', '1', '2']),
    column('wt.loss', 'number'),
  ],
}

export const catalogue: ReadonlyMap<string, readonly DatasetAnnouncement[]> = new Map(
  SITES.map((name) => [name, [LUNG]]),
)

export const context: CompileContext = {
  roster,
  researcher: keyOf('ruth'),
  catalogue,
  nowMs: NOW,
  nonce: keyOf('nonce'),
  checkpoint: { size: 13, root: keyOf('root') },
}

export const DESCRIBE = {
  name: 'ages',
  analysis: 'describe',
  dataset: 'lung',
  parameters: { columns: ['age', 'wt.loss'] },
}

export const compile = (document: Record<string, unknown> = {}, changes: Partial<CompileContext> = {}): Job =>
  compileJob({ ...DESCRIBE, ...document }, { ...context, ...changes })

/** The roster of a log that attests an image, or has withdrawn it. */
export function attesting(image: ImageDescription, withdrawn = false): Roster {
  const hash = descriptionHash(image)
  const names = ['ana', 'bo', 'cy']
  const policyFloor = { index: 11, threshold: 2, reviewers: names, keys: names.map(keyOf) }
  const attestation = { index: 12, hash, description: image, reviewers: ['ana', 'bo'], floor: policyFloor, withdrawn }
  return { ...roster, images: new Map([[hash, attestation]]), policyFloor }
}

/** A job of an image that the log attests. */
export const compileImage = (image: ImageDescription, document: Record<string, unknown> = {}): Job =>
  compileJob(
    { name: 'a report', dataset: 'lung', image: image.image, columns: ['age', 'sex'], rounds: 1, ...document },
    { ...context, roster: attesting(image) },
  )
