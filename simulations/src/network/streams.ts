/** Connections and streams of libp2p as far as the gossip router looks at them, over the simulated network. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { BroadcastPorts } from './broadcast.js'

type Listener = (event: Record<string, unknown>) => void
interface Bytes {
  readonly byteLength: number
  subarray(): Uint8Array
}
export type StreamHandler = (stream: SimulatedStream, connection: SimulatedConnection) => void

/** One end of a stream. What arrives before anyone listens waits. */
export class SimulatedStream {
  status = 'open'
  writeStatus = 'writable'
  maxWriteBufferLength = 0
  private readonly listeners = new Map<string, Set<Listener>>()
  private waiting: Uint8Array[] = []

  constructor(
    readonly protocol: string,
    private readonly deliver: (bytes: Uint8Array) => void,
  ) {}

  addEventListener(type: string, listener: Listener): void {
    const listeners = this.listeners.get(type) ?? new Set()
    this.listeners.set(type, listeners.add(listener))
    if (type !== 'message') return
    const { waiting } = this
    this.waiting = []
    for (const data of waiting) listener({ data })
  }

  removeEventListener(type: string, listener: Listener): void {
    this.listeners.get(type)?.delete(listener)
  }

  // pipe() takes what has these for a stream
  push(): void {}
  log(): void {}

  send(data: Bytes): boolean {
    if (this.status === 'open') this.deliver(data.subarray())
    return true
  }

  receive(data: Uint8Array): void {
    if (this.status !== 'open') return
    if ((this.listeners.get('message')?.size ?? 0) === 0) this.waiting.push(data)
    else this.emit('message', { data })
  }

  async close(): Promise<void> {
    this.abort(undefined)
  }

  abort(error: Error | undefined): void {
    if (this.status !== 'open') return
    this.status = 'closed'
    this.writeStatus = 'closed'
    this.emit('close', { error })
  }

  private emit(type: string, event: Record<string, unknown>): void {
    for (const listener of [...(this.listeners.get(type) ?? [])]) listener(event)
  }
}

/** Whose end of a connection this is. */
export interface End {
  readonly key: Hex
  readonly peerId: unknown
  readonly address: unknown
  readonly handlers: ReadonlyMap<string, StreamHandler>
}

/** One end of a connection. */
export class SimulatedConnection {
  status = 'open'
  readonly remotePeer: unknown
  readonly remoteAddr: unknown
  readonly id: string
  private other: SimulatedConnection | undefined
  private readonly streams: SimulatedStream[] = []

  private constructor(
    private readonly ports: BroadcastPorts,
    private readonly local: End,
    private readonly remote: End,
    readonly direction: 'inbound' | 'outbound',
  ) {
    this.remotePeer = remote.peerId
    this.remoteAddr = remote.address
    this.id = `${local.key}-${remote.key}`
  }

  /** Both ends of a new connection. */
  static pair(
    ports: BroadcastPorts,
    dialler: End,
    other: End,
  ): readonly [dialler: SimulatedConnection, other: SimulatedConnection] {
    const near = new SimulatedConnection(ports, dialler, other, 'outbound')
    const far = new SimulatedConnection(ports, other, dialler, 'inbound')
    near.other = far
    far.other = near
    return [near, far]
  }

  async newStream(protocols: string | readonly string[]): Promise<SimulatedStream> {
    if (this.status !== 'open') throw new Error('the connection is closed')
    const protocol = (typeof protocols === 'string' ? protocols : protocols[0]) ?? ''
    const { ports, local, remote, other } = this
    const far = new SimulatedStream(protocol, () => undefined)
    const carry = (bytes: number, arrived: () => void): void =>
      ports.carry(local.key, remote.key, bytes, true, () => {
        if (this.status === 'open') arrived()
      })
    const near = new SimulatedStream(protocol, (bytes) => carry(bytes.length, () => far.receive(bytes)))
    this.streams.push(near)
    other?.streams.push(far)
    carry(protocol.length, () => remote.handlers.get(protocol)?.(far, other as SimulatedConnection))
    return near
  }

  /** Both ends. */
  close(): void {
    for (const end of [this, this.other]) {
      if (end === undefined || end.status !== 'open') continue
      end.status = 'closed'
      for (const stream of end.streams) stream.abort(undefined)
    }
  }
}
