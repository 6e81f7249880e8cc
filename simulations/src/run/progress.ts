/** How far a long run is, on stderr: one line drawn anew on a terminal, elsewhere a line every few seconds. */
import { wallMs } from './wall.js'

export interface ProgressStream {
  readonly isTTY?: boolean
  write(text: string): unknown
}

export interface Standing {
  readonly simulatedMs: number
  /** where the run ends at the latest, and mostly earlier */
  readonly untilMs: number
  readonly events: number
  /** `3 of 200 runs`, for a sweep */
  readonly note?: string
  /** of the whole, from 0 to 1, where it is known */
  readonly share?: number
}

const FIRST_MS = 1000
const TERMINAL_EVERY_MS = 200
const PLAIN_EVERY_MS = 5000

const seconds = (ms: number): string =>
  ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`

export class Progress {
  private readonly begunMs = wallMs()
  private saidMs = 0
  private drawn = false

  constructor(private readonly stream: ProgressStream | undefined) {}

  update(standing: Standing): void {
    const nowMs = wallMs()
    const every = this.stream?.isTTY === true ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS
    if (this.stream === undefined || nowMs - this.begunMs < FIRST_MS || nowMs - this.saidMs < every) return
    this.saidMs = nowMs
    const line = this.line(standing, nowMs - this.begunMs)
    this.drawn = this.stream.isTTY === true
    this.stream.write(this.drawn ? `\r\u001b[K${line}` : `${line}\n`)
  }

  private line({ simulatedMs, untilMs, events, note, share }: Standing, tookMs: number): string {
    const done = share ?? (untilMs > 0 ? simulatedMs / untilMs : 0)
    const left = done > 0 ? seconds(tookMs * (1 / done - 1)) : '?'
    const rate = Math.round((1000 * events) / tookMs)
    const what = note === undefined ? `simulated ${seconds(simulatedMs)}` : note
    return `${what}, ${rate} events/s, ${share === undefined ? 'at most ' : ''}${left} left`
  }

  finish(): void {
    if (this.drawn) this.stream?.write('\r\u001b[K')
  }
}
