/** Drawing lots for a case. */
import type { SeededRandom } from '../kernel/random.js'
import type { Case } from './case.js'

export type Plot = Omit<Case, 'version' | 'seed' | 'name'>

export class Draw {
  constructor(private readonly random: SeededRandom) {}

  below(limit: number): number {
    return this.random.integer(limit)
  }

  between(least: number, most: number): number {
    return least + this.random.integer(most - least + 1)
  }

  chance(probability: number): boolean {
    return this.random.fraction() < probability
  }

  one<T>(from: readonly T[]): T {
    return from[this.random.integer(from.length)] as T
  }

  some<T>(from: readonly T[], least = 1, most = from.length - 1): readonly T[] {
    const left = [...from]
    const count = Math.min(this.between(least, Math.max(least, most)), left.length)
    return Array.from({ length: count }, () => left.splice(this.random.integer(left.length), 1)[0] as T)
  }
}
