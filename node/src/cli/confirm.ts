/** A question on a terminal that takes a yes. */
import { createInterface } from 'node:readline/promises'
import type { CommandContext } from './context.js'

/** Whether there is a person to ask. */
export const canAsk = ({ streams, out }: CommandContext): boolean => streams.stdin.isTTY === true && !out.json

export async function confirmed({ streams }: CommandContext, question: string): Promise<boolean> {
  const dialogue = createInterface({ input: streams.stdin, output: process.stderr })
  const answer = await dialogue.question(`${question} [y/N] `)
  dialogue.close()
  return /^y(es)?$/i.test(answer.trim())
}
