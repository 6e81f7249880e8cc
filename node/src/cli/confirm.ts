/** A question on a terminal that takes a yes. */
import { createInterface } from 'node:readline'
import type { CommandContext } from './context.js'

/** Whether there is a person to ask. */
export const canAsk = ({ streams, out }: CommandContext): boolean => streams.stdin.isTTY === true && !out.json

/** The end of the input is no yes either. */
export async function confirmed({ streams, out }: CommandContext, question: string): Promise<boolean> {
  out.stderr.write(`${question} [y/N] `)
  const dialogue = createInterface({ input: streams.stdin })
  const answer = await new Promise<string>((resolve) => {
    dialogue.once('line', resolve)
    dialogue.once('close', () => resolve(''))
  })
  dialogue.close()
  return /^y(es)?$/i.test(answer.trim())
}
