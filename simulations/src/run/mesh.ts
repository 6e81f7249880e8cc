/** How many neighbours each site has in the router's mesh, over time; nothing where announcements are flooded. */

import { csv } from '@flamesh/protocol/report/csv.js'
import type { Federation } from '../federation.js'
import { RouterBroadcast } from '../network/router.js'
import type { Record } from './record.js'

const EVERY_MS = 5_000
/** Samples of a very long run get rarer: a chart has no more points than this. */
const MAX_SAMPLES = 2_000

export class MeshSamples {
  private readonly rows: (readonly number[])[] = []
  private everyMs = EVERY_MS

  constructor(
    private readonly federation: Federation,
    private readonly record: Record,
  ) {
    if (federation.network.broadcast instanceof RouterBroadcast) this.again()
  }

  private again(): void {
    this.sample()
    if (this.rows.length % MAX_SAMPLES === 0) this.everyMs *= 2
    const { clock } = this.federation
    clock.setTimer(clock.now() + this.everyMs, () => this.again())
  }

  sample(): void {
    const { broadcast } = this.federation.network
    if (!(broadcast instanceof RouterBroadcast)) return
    const degrees = [...broadcast.meshDegrees().values()].sort((a, b) => a - b)
    if (degrees.length === 0) return
    const at = (share: number): number => degrees[Math.floor(share * (degrees.length - 1))] as number
    this.rows.push([this.record.nowMs(), at(0), at(0.5), at(1)])
  }

  table(): string {
    return csv(['at_ms', 'least', 'median', 'most'], this.rows)
  }
}
