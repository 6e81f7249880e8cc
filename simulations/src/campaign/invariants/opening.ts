/** Invariants 4, 5, 7 and 8 of the design: what may be opened, whether it can be, and whether it is the true sum. */
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { bytesToHex, concatBytes, type Hex, hexToBytes, hkdfSha256, hmacSha256 } from '@flamesh/protocol/crypto/hash.js'
import { open } from '@flamesh/protocol/crypto/sealing.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, payloadHash, type Signed } from '@flamesh/protocol/encoding/signed.js'
import type { Job } from '@flamesh/protocol/jobs/job.js'
import { DECISION } from '@flamesh/protocol/jobs/messages.js'
import { selectRows } from '@flamesh/protocol/jobs/where.js'
import { type Certificate, valueId } from '@flamesh/protocol/secagg/consensus-messages.js'
import { sumMasks } from '@flamesh/protocol/secagg/mask.js'
import {
  HAVE,
  OPENED,
  PARTIAL,
  PREKEY,
  SPECIFICATION,
  type Specification,
  SUBMISSION,
} from '@flamesh/protocol/secagg/messages.js'
import { addInto, decodeVector, encodeVector } from '@flamesh/protocol/secagg/ring.js'
import type { AttemptRecord, WireOf } from '@flamesh/protocol/wire.js'
import type { SimulatedNode } from '../../federation.js'
import { RESEARCHER } from '../case.js'
import { type MakeInvariant, placeName, rowFor, type Scene } from '../observer.js'
import { certifiedSet, jobOf } from './differencing.js'

/** 4. No honest partial without a certificate, for two sets, or after `openBy` by the member's own clock. */
export const partialsAllowed: MakeInvariant = (scene) => {
  const sets = new Map<Hex, Hex>()
  return {
    name: '4 partials',
    said: ({ from, honest, message }) => {
      if (!honest || message.type !== 'partials') return
      const certified = certifiedSet(scene, from, message)
      scene.check(
        '4 partials',
        certified !== undefined,
        () => `${from.name} sends partials of ${placeName(message)} without a certificate`,
      )
      const openBy = specificationAt(scene, from, message)?.body.openBy ?? 0
      const now = scene.federation.clock.now() + from.skewMs
      scene.check('4 partials', now < openBy, () => `${from.name} sends partials of ${placeName(message)} after openBy`)
      for (const partial of message.partials.slice(0, 1)) {
        const { body } = openSigned(partial, PARTIAL)
        const before = sets.get(body.roundId) ?? body.survivors
        sets.set(body.roundId, before)
        scene.check('4 partials', before === body.survivors, () => `partials of two sets in ${placeName(message)}`)
      }
    },
  }
}

type Of = Pick<WireOf<'partials'>, 'job' | 'round' | 'attempt'>

function specificationAt(scene: Scene, node: SimulatedNode, { job, round, attempt }: Of) {
  const prefix = `job/${job}/member`
  const record = scene.read<AttemptRecord>(node, `${prefix}/records/${round}.${attempt}`)
  const signed = record?.specification ?? scene.read<Signed>(node, `${prefix}/specification`)
  if (!signed) return undefined
  const { body, hash } = openSigned(signed, SPECIFICATION)
  return { body, roundId: hash }
}

/** Every t-subset of the seats, as sets of seats, in lexicographic order. */
function subsetsOf(members: number, size: number, from = 0): readonly (readonly number[])[] {
  if (size === 0) return [[]]
  return Array.from({ length: Math.max(0, members - from) }, (_, at) => from + at).flatMap((first) =>
    subsetsOf(members, size - 1, first + 1).map((rest) => [first, ...rest]),
  )
}

/**
 * 5. Every certified site has an honest holder of each slice and each seed: honest members that signed a Have naming its
 * submission, and whose disks hold the slices they should.
 */
export const holders: MakeInvariant = (scene) => {
  const haves = new Map<string, Map<Hex, Set<number>>>()
  const done = new Set<string>()
  return {
    name: '5 holders',
    said: ({ from, honest, message }) => {
      if (!honest || message.type !== 'have') return
      const { body, signers } = openSigned(message.have, HAVE)
      if (signers[0] !== from.key) return
      const held = haves.get(body.roundId) ?? new Map<Hex, Set<number>>()
      haves.set(body.roundId, held)
      for (const hash of body.submissions) held.set(hash, (held.get(hash) ?? new Set()).add(body.seat))
    },
    wrote: ({ node, key, value }) => {
      const job = /^job\/([0-9a-f]+)\/member\/certificate$/.exec(key)?.[1]
      if (job === undefined || value === null) return
      const certificate = decode(value) as unknown as Certificate
      const decided = certificate.value
      if (decided.kind !== 'survivors' || done.has(valueId(decided))) return
      done.add(valueId(decided))
      const signed = scene.read<Signed>(node, `job/${job}/member/specification`)
      if (signed === undefined) return
      const { slices } = openSigned(signed, SPECIFICATION).body
      const names = scene.committeeOf(job).members
      const row = rowFor(names.length)
      for (const [at, hash] of decided.submissions.entries()) {
        const seats = [...(haves.get(decided.roundId)?.get(hash) ?? [])]
        const seeds = subsetsOf(names.length, row.colluding).every((subset) =>
          seats.some((seat) => !subset.includes(seat)),
        )
        scene.check('5 holders', seeds, () => `a seed of survivor ${at} has no honest holder`)
        const held = new Set(
          seats.flatMap((seat) => slicesAt(scene, names[seat] as string, job, decided.survivors[at] as number, hash)),
        )
        scene.check('5 holders', held.size >= slices, () => `a slice of survivor ${at} has no honest holder`)
      }
    },
  }
}

function slicesAt(scene: Scene, name: string, job: Hex, index: number, hash: Hex): readonly number[] {
  const stored = scene.read<{ submit: WireOf<'submit'> | null }>(
    scene.federation.node(name),
    `job/${job}/member/submissions/${index}`,
  )
  if (!stored?.submit || payloadHash(stored.submit.submission) !== hash) return []
  return stored.submit.slices.map((one) => one.slice)
}

/**
 * 7. A partial that leaves an honest member is the true one, its MAC keyed with all seeds of the subset: recomputed here from
 * the envelopes that the sites sealed, with the honest members' own secrets.
 */
export const truePartials: MakeInvariant = (scene) => {
  const truths = new Map<string, ReadonlyMap<string, Hex>>()
  return {
    name: '7 true partials',
    said: ({ from, honest, message }) => {
      if (!honest || message.type !== 'partials') return
      const specification = specificationAt(scene, from, message)
      const sites = certifiedSet(scene, from, message)
      if (specification === undefined || sites === undefined) return
      const first = message.partials[0] && openSigned(message.partials[0], PARTIAL).body
      if (first === undefined) return
      const name = `${specification.roundId}/${first.survivors}`
      const truth = truths.get(name) ?? recompute(scene, message, specification, first.survivors)
      if (truth === undefined) return
      truths.set(name, truth)
      for (const partial of message.partials) {
        const { slice, part, tag } = openSigned(partial, PARTIAL).body
        const expected = truth.get(`${part}/${slice}`)
        if (expected !== undefined)
          scene.check(
            '7 true partials',
            tag === expected,
            () => `${from.name} signs a tag of ${placeName(message)} ${part}/${slice} that the seeds do not give`,
          )
      }
    },
  }
}

/** Tags by subset and slice, as the design defines them; undefined where some envelope cannot be opened any more. */
function recompute(
  scene: Scene,
  message: WireOf<'partials'>,
  { body, roundId }: { readonly body: Specification; readonly roundId: Hex },
  survivors: Hex,
): ReadonlyMap<string, Hex> | undefined {
  const names = scene.committeeOf(message.job).members
  const all = subsetsOf(names.length, rowFor(names.length).colluding)
  const member = names
    .map((name) => scene.federation.node(name))
    .find((node) => scene.read<Certificate>(node, `job/${message.job}/member/certificate`))
  const value = member && scene.read<Certificate>(member, `job/${message.job}/member/certificate`)?.value
  if (value?.kind !== 'survivors' || value.roundId !== roundId) return undefined
  const seeds = value.survivors.map((index, at) =>
    seedsOf(scene, message.job, body, roundId, index, value.submissions[at] as Hex),
  )
  const tags = new Map<string, Hex>()
  for (const [subset] of all.entries()) {
    const own = seeds.map((one) => one.get(subset))
    if (!own.every((seed) => seed !== undefined)) continue
    const macKey = hkdfSha256(concatBytes(...own), hexToBytes(roundId), encode(['flamesh/partial-key/1', subset]), 32)
    for (let slice = 0; slice < body.slices; slice++) {
      const from = Math.floor((body.dimension * slice) / body.slices)
      const to = Math.floor((body.dimension * (slice + 1)) / body.slices)
      const data = sumMasks(own, body.ring, from, to)
      const subject = encode(['flamesh/partial/1', roundId, survivors, slice, subset, data.length])
      tags.set(`${subset}/${slice}`, bytesToHex(hmacSha256(macKey, subject, data)))
    }
  }
  return tags
}

/** The seeds of one site by subset, from what honest members hold. */
function seedsOf(
  scene: Scene,
  job: Hex,
  specification: Specification,
  roundId: Hex,
  index: number,
  hash: Hex,
): ReadonlyMap<number, Uint8Array> {
  const found = new Map<number, Uint8Array>()
  for (const [seat, name] of scene.committeeOf(job).members.entries()) {
    const node = scene.federation.node(name)
    const prekey = specification.committee.seats[seat]
    if (!scene.isHonest(node) || !prekey) continue
    const secret = node.disk.secrets.get(`prekey-${openSigned(prekey, PREKEY).body.key}`)
    const submit = scene.read<{ submit: WireOf<'submit'> | null }>(
      node,
      `job/${job}/member/submissions/${index}`,
    )?.submit
    if (secret === undefined || !submit || payloadHash(submit.submission) !== hash) continue
    const { envelopes: _, ...rest } = openSigned(submit.submission, SUBMISSION).body
    const info = new TextEncoder().encode(`flamesh-sa-1 envelope ${roundId}`)
    const plain = open(secret, info, encode({ ...rest, seat }), submit.envelope)
    if (plain === undefined) continue
    for (const { subset, seed } of decode(plain) as unknown as { subset: number; seed: Uint8Array }[])
      found.set(subset, seed)
  }
  return found
}

interface Release {
  readonly records: readonly AttemptRecord[]
  readonly decisions: readonly Signed[]
}

/** 8. What the researcher reads is the analysis of Σ over U, added in the clear; and enough of these sites had rows. */
export const plainSum: MakeInvariant = (scene) => ({
  name: '8 plain sum',
  wrote: ({ node, key, value }) => {
    const id = /^job\/([0-9a-f]+)\/request\/result$/.exec(key)?.[1]
    if (id === undefined || value === null || node.name !== RESEARCHER) return
    const { released } = decode(value) as unknown as { released: Uint8Array }
    const job = jobOf(scene, node, id)
    const release = scene.read<Release>(node, `job/${id}/request/release`)
    if (job === undefined || release === undefined) return
    const last = release.records.find(
      (one) => one.opened !== null && openSigned(one.opened, OPENED).body.outcome === 'result',
    )
    if (!last?.specification || last.certificate.value.kind !== 'survivors') return
    const { cohort } = openSigned(last.specification, SPECIFICATION).body
    const approvals = new Map(release.decisions.map((one) => [payloadHash(one), openSigned(one, DECISION).body]))
    const added = last.certificate.value.survivors.map((at) => {
      const { site, decision } = cohort[at] as (typeof cohort)[number]
      return { site: scene.byKey.get(site) as SimulatedNode, version: approvals.get(decision)?.datasetVersion }
    })
    const sites = added.map(({ site }) => site)
    const plain = inTheClear(job, added)
    const same = plain !== undefined && bytesToHex(encode(plain.released as never)) === bytesToHex(released)
    scene.check(
      '8 plain sum',
      same,
      () => `${id.slice(0, 6)} released something else than the plain sum over ${sites.map((one) => one.name)}`,
    )
    scene.check(
      '8 plain sum',
      (plain?.contributors ?? 0) >= job.cohort.minimum,
      () => `${id.slice(0, 6)} rests on ${plain?.contributors} sites with rows`,
    )
  },
})

/**
 * The same analysis on unmasked vectors, round by round; the rows that each site approved the job on, by the approval that the
 * cohort names. A site that told several things, or was put back to a backup, may hold another or none.
 */
function inTheClear(
  job: Job,
  added: readonly { readonly site: SimulatedNode; readonly version: string | null | undefined }[],
): { readonly released: unknown; readonly contributors: number } | undefined {
  const analysis = findAnalysis(job.analysis.name, job.analysis.version)
  if (analysis === undefined) return undefined
  let state: unknown
  let contributors = 0
  for (let round = 1; round <= job.maxRounds; round++) {
    const { slots, fractionBits, bound } = analysis.plan(job.parameters, state)
    const total = new Uint8Array(slots.length * 16)
    contributors = 0
    for (const { site, version } of added) {
      const rows = site.versions.find((one) => one.version === version)?.rows
      if (rows === undefined) return undefined
      const values = analysis.contribute(selectRows(rows, job.where, analysis.others), job.parameters, state)
      contributors += (values[0] as number) > 0 ? 1 : 0
      addInto(total, encodeVector(values, 128, fractionBits, 2 ** Math.ceil(Math.log2(bound))), 128)
    }
    const rules = { minimumCell: job.minimumCell, minimumContributors: job.cohort.minimum }
    const sum = decodeVector(total, 128, fractionBits)
    const context = { parameters: job.parameters, rules, survivors: added.length, everyRow: job.where.length === 0 }
    const outcome = analysis.combine(sum, context, state)
    if (outcome.kind === 'result') return { released: outcome.released, contributors }
    if (outcome.kind === 'suppressed') return { released: null, contributors }
    state = outcome.state
  }
  return undefined
}

export const opening: readonly MakeInvariant[] = [partialsAllowed, holders, truePartials, plainSum]
