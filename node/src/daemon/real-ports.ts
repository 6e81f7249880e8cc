/** The machine's own clock and randomness, behind the ports of the protocol. */
import { randomBytes } from 'node:crypto'
import type { Clock, Random } from '@flamesh/protocol/ports.js'

/** A longer timeout would overflow and fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export const realClock: Clock = {
  now: () => Date.now(),
  setTimer(atMs, fire) {
    let timer: NodeJS.Timeout
    const wait = (): void => {
      const restMs = atMs - Date.now()
      timer = restMs > MAX_TIMEOUT_MS ? setTimeout(wait, MAX_TIMEOUT_MS) : setTimeout(fire, Math.max(0, restMs))
    }
    wait()
    return { cancel: () => clearTimeout(timer) }
  },
}

export const realRandom: Random = { bytes: (length) => new Uint8Array(randomBytes(length)) }
