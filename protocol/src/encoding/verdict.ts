/** What becomes of a peer's message. Only `reject` costs the peer its score; `later` asks the sender to try again. */
export type Verdict =
  | { readonly verdict: 'accept' }
  | { readonly verdict: 'ignore'; readonly code: string }
  | { readonly verdict: 'later'; readonly code: string }
  | { readonly verdict: 'reject'; readonly code: string; readonly message: string }

export const accept: Verdict = { verdict: 'accept' }
export const ignore = (code: string): Verdict => ({ verdict: 'ignore', code })
export const later = (code: string): Verdict => ({ verdict: 'later', code })
export const reject = (code: string, message: string): Verdict => ({ verdict: 'reject', code, message })
