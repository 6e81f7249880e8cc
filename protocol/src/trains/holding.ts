/**
 * The state of a train: how it is committed to, sealed to the next station, and held on a station's own disk. Implements
 * docs/spec/trains.md, "The state". A station sees in the clear what it is handed.
 */
import type { RoundPlan } from '../analyses/analysis.js'
import { concatBytes, type Hex } from '../crypto/hash.js'
import { chacha20Poly1305Open, chacha20Poly1305Seal } from '../crypto/native/index.js'
import { type Box, openSealed, type Recipient, sealFor } from '../crypto/sealing.js'
import { decode, encode } from '../encoding/canonical.js'
import type { JobId } from '../jobs/job.js'
import { commitTrain } from '../secagg/commitment.js'
import { wordBytes } from '../secagg/ring.js'

/** Words of every train's state. */
export const RING = 128
const SALT_BYTES = 32
const NONCE_BYTES = 12

export interface Held {
  /** the sum so far, in the ring */
  readonly state: Uint8Array
  /** of its commitment */
  readonly salt: Uint8Array
}

export const emptyState = ({ slots }: RoundPlan): Uint8Array => new Uint8Array(slots.length * wordBytes(RING))

export const freshSalt = (random: (length: number) => Uint8Array): Uint8Array => random(SALT_BYTES)

export const commitmentOf = ({ state, salt }: Held, job: JobId, position: number): Hex =>
  commitTrain(salt, state, job, position)

function read(bytes: Uint8Array | undefined): Held | undefined {
  if (bytes === undefined) return undefined
  try {
    const { state, salt } = decode(bytes) as { state?: unknown; salt?: unknown }
    const fits = state instanceof Uint8Array && salt instanceof Uint8Array && salt.length === SALT_BYTES
    return fits ? { state, salt } : undefined
  } catch {
    return undefined
  }
}

const boxContext = (job: JobId, hop: Hex): Uint8Array => encode(['flamesh/train/1', job, hop])

/** To the station that the hop names, and to no other. Throws `sealing-key`. */
export function sealToNext(
  held: Held,
  job: JobId,
  hop: Hex,
  next: Recipient,
  random: (length: number) => Uint8Array,
): Box {
  return sealFor([next], boxContext(job, hop), encode(held), random)
}

/** Undefined if nothing in the box is for this station, under this hop. */
export function openFromLast(box: Box, job: JobId, hop: Hex, self: Hex, secret: Uint8Array): Held | undefined {
  return read(openSealed(box, self, secret, boxContext(job, hop)))
}

/** The one key that what this station holds is readable with: it vanishes when the train has gone on. */
export const trainSecretName = (job: JobId): string => `train-${job}`

const diskContext = (job: JobId): Uint8Array => encode(['flamesh/train-held/1', job])

export function sealToDisk(
  held: Held,
  job: JobId,
  secret: Uint8Array,
  random: (length: number) => Uint8Array,
): Uint8Array {
  const nonce = random(NONCE_BYTES)
  return concatBytes(nonce, chacha20Poly1305Seal(secret, nonce, diskContext(job), encode(held)))
}

export function openFromDisk(bytes: Uint8Array, job: JobId, secret: Uint8Array): Held | undefined {
  return read(
    chacha20Poly1305Open(secret, bytes.subarray(0, NONCE_BYTES), diskContext(job), bytes.subarray(NONCE_BYTES)),
  )
}
