/** Decimal numbers as signed objects hold them, which have no floats. Implements docs/spec/jobs.md, "The signed job". */

/** The shortest decimal digits of a number, without an exponent: signed objects hold no floats. */
export function decimalString(x: number): string {
  const [mantissa, exponent] = String(Math.abs(x)).split('e') as [string, string?]
  const [whole, fraction = ''] = mantissa.split('.') as [string, string?]
  const point = whole.length + Number(exponent ?? 0)
  const digits = `${'0'.repeat(Math.max(0, 1 - point))}${whole}${fraction}`.padEnd(point, '0')
  const at = Math.max(point, 1)
  return `${x < 0 ? '-' : ''}${digits.slice(0, at)}${digits.length > at ? `.${digits.slice(at)}` : ''}`
}
