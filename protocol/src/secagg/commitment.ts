/**
 * Commitments and hashes of a round. Implements docs/spec/secure-aggregation.md, "Commitments". Seeds and released results are
 * committed to by HMAC-SHA256 keyed with the 32-byte secret itself: binding because SHA-256 resists collisions and the key
 * length is fixed, hiding because HMAC is a pseudo-random function. Hashes without a secret are only for bytes that nobody
 * can guess: masked slices and sealed envelopes. Every input starts with its own label and its place in the round.
 */
import { type Hex, hmacSha256Hex, sha256Hex } from '../crypto/hash.js'
import { withEncoding } from '../encoding/canonical.js'
import { assert } from '../errors.js'

const SECRET_BYTES = 32

function commit(secret: Uint8Array, subject: readonly (string | number)[], data: Uint8Array): Hex {
  assert(secret.length === SECRET_BYTES, 'a commitment needs a secret of 32 bytes')
  return withEncoding([...subject, data.length], (head) => hmacSha256Hex(secret, head, data))
}

/** A site's commitment to the seed of one subset, published with its submission; holders of the seed check it. */
export function seedCommitment(seed: Uint8Array, roundId: Hex, site: Hex, subsetIndex: number): Hex {
  return commit(seed, ['flamesh/seed-commitment/1', roundId, site, subsetIndex], new Uint8Array(0))
}

/** The committee's commitment to a released state or result; the salt (`resultSalt`) travels sealed with it. */
export function commitResult(salt: Uint8Array, released: Uint8Array, roundId: Hex): Hex {
  return commit(salt, ['flamesh/result/1', roundId], released)
}

/** A station's commitment to the state that leaves it (docs/spec/trains.md); the salt travels sealed with the state. */
export function commitTrain(salt: Uint8Array, state: Uint8Array, job: Hex, position: number): Hex {
  return commit(salt, ['flamesh/train-state/1', job, position], state)
}

/** Hash of one slice of a site's masked update. */
export function sliceHash(bytes: Uint8Array, roundId: Hex, site: Hex, slice: number): Hex {
  return withEncoding(['flamesh/slice/1', roundId, site, slice, bytes.length], (head) => sha256Hex(head, bytes))
}

/** Hash of the sealed envelope for one seat. */
export function envelopeHash(envelope: Uint8Array, roundId: Hex, site: Hex, seat: number): Hex {
  return withEncoding(['flamesh/envelope/1', roundId, site, seat, envelope.length], (head) => sha256Hex(head, envelope))
}
