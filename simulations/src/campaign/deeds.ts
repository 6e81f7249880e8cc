/** The faults of a case, one by one: to nodes, to their disks and clocks, to the network, to what the hub says. */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import { CALM } from '../network/network.js'
import type { Deed } from './case.js'
import type { Director } from './director.js'
import { rowsOf } from './scene.js'

type Plain = Exclude<Deed, { do: 'lie' }>

export function doDeed(director: Director, deed: Plain): void {
  const { federation } = director
  const { network, clock } = federation
  const keyOf = (name: string): Hex => federation.node(name).key
  const after = (ms: number, then: () => void): void => void clock.setTimer(clock.now() + ms, then)
  switch (deed.do) {
    case 'crash':
      federation.node(deed.node).kill()
      return director.restartLater(deed.node, deed.restartMs)
    case 'backup': {
      const { entries, secrets } = federation.node(deed.node).disk
      director.backups.set(deed.node, { entries: new Map(entries), secrets: new Map(secrets) })
      return
    }
    case 'restore':
      return restore(director, deed.node, deed.restartMs)
    case 'unreliable': {
      const { dropRequest, dropResponse, duplicate, reorder, forMs } = deed
      network.faults = { dropRequest, dropResponse, duplicate, reorder, reorderMs: 400 }
      return after(forMs, () => {
        network.faults = CALM
      })
    }
    case 'drop-request':
    case 'drop-response':
    case 'duplicate':
    case 'delay':
      director.rules.push({ deed, left: deed.times })
      return
    case 'partition':
      network.links.partition([deed.group.map(keyOf)])
      return after(deed.forMs, () => network.links.heal())
    case 'one-way':
      network.links.block(keyOf(deed.from), keyOf(deed.to))
      return after(deed.forMs, () => network.links.unblock(keyOf(deed.from), keyOf(deed.to)))
    case 'skew':
      federation.node(deed.node).skewMs = deed.skewMs
      return
    case 'revoke':
      federation.append({ type: 'revoke', key: keyOf(deed.node), reason: 'a case of the campaign' })
      return tell(director, deed.tell)
    case 'hub-off':
      federation.hubUp = false
      return after(deed.forMs, () => {
        federation.hubUp = true
      })
    case 'fork':
      return showOtherLog(director, deed.show)
    case 'name-committee':
      federation.append({
        type: 'name-committee',
        name: `committee-${federation.statements.length}`,
        members: deed.members.map(keyOf),
        datasets: [federation.options.dataset],
        succeeds: [director.scene.committees.at(-1)?.index ?? -1],
      })
      return tell(director, deed.tell)
    case 'cancel': {
      const job = director.jobs.get(deed.job)
      if (job !== undefined)
        federation
          .node('researcher')
          .peer?.cancel(job)
          .catch(() => undefined)
      return
    }
    case 'fail':
      federation.node(deed.node).failure = 'column-type'
      return
    case 'replace-rows': {
      const node = federation.node(deed.node)
      const at = Number(deed.node.split('-')[1])
      if (node.peer !== undefined) void node.replaceRows(rowsOf(at, false, node.versions.length)).catch(() => undefined)
      return
    }
  }
}

/** The hub shows some of them a log that the others will never see. */
function showOtherLog({ federation }: Director, names: readonly string[]): void {
  const { statements, checkpoint } = federation.otherLog({ type: 'set-policy-floor', threshold: 1, reviewers: ['x'] })
  for (const name of names)
    void federation
      .node(name)
      .peer?.learnLog(statements, checkpoint)
      .catch(() => undefined)
}

/** Each by itself: one that goes down in the middle is no reason for the others not to hear. */
function tell({ federation }: Director, names: readonly string[]): void {
  for (const name of names) void federation.tell(name).catch(() => undefined)
}

/** An administrator brings back an old copy of the disk: the log is learnt anew, what was said since is forgotten. */
function restore(director: Director, name: string, restartMs: number): void {
  const node = director.federation.node(name)
  const backup = director.backups.get(name)
  if (backup === undefined) return
  node.kill()
  node.disk.replace(backup.entries, backup.secrets)
  director.turns++
  director.restartLater(name, restartMs)
}

/** Whatever was wrong with the network, the clocks and the nodes is over; liars go on. */
export function calm(director: Director): void {
  const { federation } = director
  director.calm = true
  federation.network.faults = CALM
  federation.network.links.heal()
  federation.hubUp = true
  for (const node of federation.nodes.values()) {
    node.skewMs = 0
    director.restart(node.name)
  }
  tell(director, [...federation.nodes.keys()])
}
