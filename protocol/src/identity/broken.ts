/** The rule of docs/spec/identity.md that a statement breaks. Codes are stable. */
export interface Broken {
  readonly code: string
  readonly message: string
}

export const broken = (code: string, message: string): Broken => ({ code, message })
