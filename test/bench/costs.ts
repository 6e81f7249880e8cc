/**
 * `npm run bench -- costs`: what a site's work costs on this machine, measured at the production code: primitives, the store,
 * a message between two hosts, an announcement, and each kind of message in the engine. The constants of
 * simulations/src/network/costs.ts come from here.
 */
import '@flamesh/node/shim.js'
import { createPublicKey, verify } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '@flamesh/node/store/level-store.js'
import { ed25519Key } from '@flamesh/protocol/crypto/native/index.js'
import { deriveKeyPair, open, seal } from '@flamesh/protocol/crypto/sealing.js'
import { decode, encode } from '@flamesh/protocol/encoding/canonical.js'
import { type ComputeTask, compute } from '@flamesh/protocol/secagg/compute.js'
import { startHost, stopAll, until } from '../node/network/hosts.js'
import { engineCosts } from './costs-engine.js'

const WARM_UP = 200
const say = (name: string, ms: number, of = ''): void => {
  process.stdout.write(`${name.padEnd(48)}${ms.toFixed(4).padStart(10)} ms ${of}\n`)
}

/** Milliseconds of the processor for one of many. */
function timed(times: number, work: (at: number) => void): number {
  for (let at = 0; at < WARM_UP; at++) work(at)
  const start = process.cpuUsage()
  for (let at = 0; at < times; at++) work(at)
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000 / times
}

async function timedAsync(times: number, work: (at: number) => Promise<unknown>): Promise<number> {
  for (let at = 0; at < WARM_UP; at++) await work(at)
  const start = process.cpuUsage()
  for (let at = 0; at < times; at++) await work(WARM_UP + at)
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000 / times
}

function primitives(): void {
  const bytes = (length: number, fill = 7): Uint8Array => new Uint8Array(length).fill(fill)
  const key = ed25519Key(bytes(32))
  const message = bytes(500)
  const signature = key.sign(message)
  const x = Buffer.from(key.publicKey).toString('base64url')
  const publicKey = createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } })
  say(
    'Ed25519 sign',
    timed(2000, () => key.sign(message)),
  )
  say(
    'Ed25519 verify',
    // the primitive itself: the node remembers what it verified
    timed(2000, () => verify(null, message, publicKey, signature)),
  )
  const recipient = deriveKeyPair(bytes(32))
  const sealed = seal(recipient.publicKey, message, message, message, bytes(32, 9))
  say(
    'seal (X25519, HKDF, ChaCha20-Poly1305)',
    timed(500, () => seal(recipient.publicKey, message, message, message, bytes(32, 9))),
  )
  say(
    'open',
    timed(500, () => open(recipient.secret, message, message, sealed)),
  )
  for (const dimension of [10, 10_000]) {
    const member = '00'.repeat(32)
    const prekey = { member, committee: 1, key: Buffer.from(recipient.publicKey).toString('hex') }
    const task = (at: number): ComputeTask => ({
      kind: 'prepare',
      input: {
        shape: { dimension, counts: dimension, ring: 64, fractionBits: 20, boundBits: 20, slices: 7, seats: 7 },
        roundId: at.toString(16).padStart(64, '0'),
        prekeys: Array.from({ length: 7 }, () => prekey),
        site: member,
        enrolment: 1,
        values: new Float64Array(dimension).fill(1),
        randomness: bytes(256),
      },
    })
    say(
      `mask ${dimension} slots and seal the seeds to seven seats`,
      timed(200, (at) => compute(task(at))),
    )
  }
  const list = encode(Array.from({ length: 200 }, (_, at) => ({ at, name: `entry ${at}`, hash: bytes(32) })))
  const small = timed(300, () => decode(list)) / (list.length / 1024)
  say('decode, 1 KiB of small values', small)
  const large = encode({ data: bytes(256 * 1024) })
  say('decode, 1 KiB of a long byte string', timed(300, () => decode(large)) / 256)
}

async function store(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'flamesh-costs-'))
  const level = await openStore(join(folder, 'store'))
  const value = new Uint8Array(500)
  const cost = await timedAsync(1000, (at) => level.write([{ key: `key/${at}`, value }]))
  say('synced write of 500 bytes to level', cost)
  await level.close()
  rmSync(folder, { recursive: true })
}

async function network(): Promise<void> {
  const a = await startHost({ seed: 1 })
  const b = await startHost({ seed: 2 })
  const before = process.cpuUsage()
  await a.host.dial(b.host.listenAddresses()[0] as string)
  await until(() => a.peerEvents.length > 0 && b.peerEvents.length > 0)
  const { user, system } = process.cpuUsage(before)
  say('connection, at either end', (user + system) / 2000)
  const small = new Uint8Array(500)
  say('direct message of 500 bytes, at either end', (await timedAsync(1000, () => a.host.send(b.key, small))) / 2)
  const large = new Uint8Array(1024 * 1024)
  const perKib = ((await timedAsync(100, () => a.host.send(b.key, large))) - 0) / 2 / 1024
  say('one more KiB of it, at either end', perKib)
  await until(() => a.host.peers().some((one) => one.inMesh) && b.host.peers().some((one) => one.inMesh))
  const heard = (): number => b.heard.filter((one) => one.via === 'gossip').length
  const announcement = (at: number): Uint8Array => new Uint8Array(Buffer.from(`${at} `.padEnd(500)))
  let sent = 0
  const gossip = await timedAsync(300, async (at) => {
    a.host.publish(announcement(at))
    sent++
    await until(() => heard() >= sent)
  })
  say('announcement of 500 bytes, at either end', gossip / 2, '(signature, router, one link)')
  await stopAll()
}

primitives()
await store()
await network()
for (const { type, count, medianMs, meanMs, bytes } of await engineCosts())
  say(`engine: ${type}`, medianMs, `(mean ${meanMs.toFixed(4)}, ${count} of ${bytes} bytes)`)
process.exit(0)
