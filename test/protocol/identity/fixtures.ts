/** Hubs, members and logs for tests: everything from small numbers, so that failures repeat. */
import { bytesToHex, type Hex, sha256, sha256Hex, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { ed25519Key, x25519PublicKey } from '@flamesh/protocol/crypto/native/index.js'
import type { Signer } from '@flamesh/protocol/encoding/signed.js'
import type { Certificate } from '@flamesh/protocol/identity/certificate.js'
import { signCheckpoint } from '@flamesh/protocol/identity/checkpoint.js'
import { merkleRoot } from '@flamesh/protocol/identity/merkle.js'
import { type Entry, openStatement, signStatement } from '@flamesh/protocol/identity/statements.js'

export const START_MS = 1_800_000_000_000
export const YEAR_MS = 365 * 24 * 3_600_000

export function signer(name: string): Signer {
  const key = ed25519Key(sha256(utf8ToBytes(`test signer ${name}`)))
  return { publicKey: bytesToHex(key.publicKey), sign: key.sign }
}

export const sealingKey = (name: string): Hex =>
  bytesToHex(x25519PublicKey(sha256(utf8ToBytes(`test sealing key ${name}`))))

export const hub = signer('hub')

export function certificate(name: string, changes: Partial<Certificate> = {}): Certificate {
  return {
    name,
    organisation: `org-${name}`,
    roles: ['site', 'aggregator'],
    key: signer(name).publicKey,
    sealingKey: sealingKey(name),
    notBefore: START_MS,
    notAfter: START_MS + YEAR_MS,
    ...changes,
  }
}

export const enrol = (name: string, changes: Partial<Certificate> = {}): Entry => ({
  type: 'enrol',
  certificate: certificate(name, changes),
})

export const committee = (name: string, members: readonly string[], datasets: readonly string[]): Entry => ({
  type: 'name-committee',
  name,
  members: members.map((member) => signer(member).publicKey),
  datasets: [...datasets],
})

/** Encoded statements, one millisecond apart, from `first` on. */
export function signAll(entries: readonly Entry[], by: Signer = hub, first = 0): Uint8Array[] {
  return entries.map((entry, at) => signStatement({ index: first + at, timestamp: START_MS + first + at, entry }, by))
}

export const leavesOf = (statements: readonly Uint8Array[], hubKey = hub.publicKey): Hex[] =>
  statements.map((bytes) => openStatement(bytes, hubKey).leaf)

/** A checkpoint over exactly these statements. */
export function checkpointOver(statements: readonly Uint8Array[], by: Signer = hub, timestamp = START_MS): Uint8Array {
  return signCheckpoint(statements.length, merkleRoot(leavesOf(statements, by.publicKey)), timestamp, by)
}

/** An attestation of an analysis known by its name alone. */
export const attest = (analysis: string, ...reviewers: string[]): Entry => ({
  type: 'attest-analysis',
  analysis,
  analysisHash: sha256Hex(utf8ToBytes(analysis)),
  reviewers,
})
