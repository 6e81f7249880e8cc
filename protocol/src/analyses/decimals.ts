/**
 * Decimal numbers in parameters. Signed objects hold no floats: a number with a fraction stands in a job as its digits, and
 * has at most 15 of them, so that every engine reads the same double. Implements docs/spec/analyses.md, "Columns".
 */
import { z } from 'zod'

const DIGITS = /^\d{1,15}(\.\d{1,15})?$/

const isDigits = (text: string): boolean => DIGITS.test(text) && text.replace('.', '').length <= 15

/** A number of at least 0. */
export const decimalSchema = z.union([z.int().min(0), z.string().refine(isDigits, 'is no decimal number')])
export type Decimal = z.infer<typeof decimalSchema>

/** A number of either sign. */
export const signedSchema = z.union([
  z.int(),
  z.string().refine((text) => isDigits(text.startsWith('-') ? text.slice(1) : text), 'is no decimal number'),
])

/** A number above 0. */
export const positiveSchema = decimalSchema.refine((value) => numberOf(value) > 0, 'must be above 0')

/** The nearest double. */
export const numberOf = (value: Decimal): number => Number(value)

/** value = units / 10^places, both exact. */
export function scaled(value: Decimal): { readonly units: number; readonly places: number } {
  const [whole = '0', fraction = ''] = String(value).split('.')
  return { units: Number(whole + fraction), places: fraction.length }
}
