/**
 * Lets code that knows nothing of simulations live in virtual time: `Date.now`, `performance.now`, timers and `Math.random`
 * are replaced until they are put back. One federation of a process at a time; what captured the real ones before, as test
 * runners do, keeps them.
 */
import type { Timer } from '@flamesh/protocol/ports.js'
import type { VirtualClock } from './clock.js'
import type { SeededRandom } from './random.js'

type Callback = (...parameters: unknown[]) => void

/** What a virtual setTimeout or setInterval returns: like Node.js' own as far as anyone looks at it. */
class VirtualTimeout {
  private timer: Timer | undefined

  constructor(
    private readonly clock: VirtualClock,
    private readonly fire: () => void,
    private readonly afterMs: number,
    private readonly again: boolean,
  ) {
    this.set()
  }

  private set(): void {
    this.timer = this.clock.setTimer(this.clock.exact() + this.afterMs, () => {
      if (this.again) this.set()
      this.fire()
    })
  }

  cancel(): void {
    this.timer?.cancel()
  }

  refresh(): this {
    this.cancel()
    this.set()
    return this
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  hasRef(): boolean {
    return true
  }
}

let installed = false

/** Returns what puts the real ones back. */
export function installVirtualGlobals(clock: VirtualClock, random: SeededRandom): () => void {
  if (installed) throw new Error('another simulation of this process has virtual time: stop it first')
  installed = true
  const real = { setTimeout, setInterval, clearTimeout, clearInterval }
  const { now } = Date
  const { random: realRandom } = Math
  const start =
    (again: boolean) =>
    (fire: Callback, ms?: number, ...parameters: unknown[]) =>
      new VirtualTimeout(clock, () => fire(...parameters), Math.max(1, ms ?? 1), again)
  const end = (clear: (timer: never) => void) => (timer: unknown) => {
    if (timer instanceof VirtualTimeout) timer.cancel()
    else clear(timer as never)
  }
  Object.assign(globalThis, {
    setTimeout: start(false),
    setInterval: start(true),
    clearTimeout: end(clearTimeout),
    clearInterval: end(clearInterval),
  })
  Date.now = () => clock.now()
  performance.now = () => clock.exact() - clock.startMs
  Math.random = fastRandom(random)
  return () => {
    Object.assign(globalThis, real)
    Date.now = now
    Reflect.deleteProperty(performance, 'now')
    Math.random = realRandom
    installed = false
  }
}

/** sfc32 (C. Doty-Humphrey), seeded from the stream: routers draw far too often for SHA-256. */
function fastRandom(random: SeededRandom): () => number {
  let a = random.integer(2 ** 32)
  let b = random.integer(2 ** 32)
  let c = random.integer(2 ** 32)
  let counter = 1
  return () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }
}
