/**
 * Invariant 8 of the design, its second half: who may not open learns nothing of a site's rows. The same case runs twice, with
 * other patients at one site. Until a sum is opened, everything that can be observed without a key must be the same: who says
 * what to whom, when, how often and how long it is. What masks and seals hide is uniformly random, and is not compared.
 */
import { encodeWire } from '@flamesh/protocol/wire.js'
import type { Case } from './case.js'
import type { MakeInvariant, Violation } from './observer.js'
import { runCase } from './run-case.js'

/** Every message before the first opening, as a stranger on the wire would see it. */
function listening(heard: string[]): MakeInvariant {
  return (scene) => {
    let opened = false
    return {
      name: 'listener',
      said: ({ from, to, message }) => {
        opened ||= message.type === 'opened'
        if (opened) return
        const at = scene.federation.clock.exact()
        heard.push(`${at} ${from.name} ${to.name} ${message.type} ${encodeWire(message).length}`)
      },
    }
  }
}

export async function nothingShows(one: Case, altered: number): Promise<Violation | undefined> {
  const [first, second]: [string[], string[]] = [[], []]
  await runCase(one, { listener: listening(first) })
  await runCase(one, { listener: listening(second), altered })
  const at = first.findIndex((line, index) => line !== second[index])
  if (at < 0 && first.length === second.length) return undefined
  const message = `other rows at site ${altered} show: "${first[at] ?? 'nothing'}" became "${second[at] ?? 'nothing'}"`
  return { invariant: '8 nothing shows', message, step: at }
}
