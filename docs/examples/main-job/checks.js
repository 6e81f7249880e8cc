/** What the demo claims, claim by claim. */
const TOLERANCE = 1e-9

export class Checks {
  all = []
  #say

  constructor(say) {
    this.#say = say
  }

  get hold() {
    return this.all.every(({ ok }) => ok)
  }

  holds(what, ok, detail = '') {
    this.all.push({ what, ok, ...(detail === '' ? {} : { detail }) })
    this.#say(`${ok ? '✓' : '✗'} ${what}${detail === '' ? '' : ` (${detail})`}`)
  }

  /** the same value, or the same values in the same order */
  equal(what, found, expected) {
    const [a, b] = [found, expected].map((value) => JSON.stringify(value))
    this.holds(what, a === b, a === b ? '' : `found ${a}, expected ${b}`)
  }

  /** numbers within 1e-9 of the expected ones, or as told, relative */
  close(what, found, expected, tolerance = TOLERANCE) {
    const errors = expected.map((value, at) => Math.abs(found?.[at] - value) / Math.abs(value))
    const worst = Math.max(...errors.map((error) => (Number.isNaN(error) ? Number.POSITIVE_INFINITY : error)))
    const detail = `largest relative difference ${worst.toExponential(1)}`
    this.holds(what, found?.length === expected.length && worst <= tolerance, detail)
  }
}
