/**
 * What a scenario's form cannot say: sites that are named exist, members are members, every job is one that a researcher's
 * node would sign. Jobs go through the product's own compiler, over a roster like the one they will meet.
 */
import { bytesToHex, type Hex, sha256, utf8ToBytes } from '@flamesh/protocol/crypto/hash.js'
import { FlameshError } from '@flamesh/protocol/errors.js'
import type { Member, Role, Roster } from '@flamesh/protocol/identity/roster.js'
import { compileJob } from '@flamesh/protocol/jobs/compile.js'
import { suggest } from '@flamesh/protocol/jobs/document.js'
import { SYNTHETIC_COLUMNS } from '../workload/patients.js'
import { jobDocument, jobName } from './job-document.js'
import { committeeNames, DATASET, RESEARCHER, siteNames } from './names.js'
import type { Scenario, ScenarioEvent } from './schema.js'

/** A mistake in a scenario, by where in the document it is. */
export interface Problem {
  readonly path: readonly PropertyKey[]
  readonly message: string
  /** about the key itself, not the value that it names */
  readonly key?: string
}

export function checkScenario(scenario: Scenario): readonly Problem[] {
  const { sites } = scenario
  if ((sites.count === undefined) === (sites.names === undefined))
    return [{ path: ['sites'], message: 'has either "count" or "names"' }]
  const names = siteNames(scenario)
  const twice = names.findIndex((name, at) => names.indexOf(name) !== at || name === RESEARCHER)
  if (twice >= 0) return [{ path: ['sites', 'names', twice], message: `the name ${names[twice]} is taken` }]
  if (names.length < scenario.committee) {
    const message = `${scenario.committee} members cannot come from ${names.length} sites`
    return [{ path: ['committee'], message }]
  }
  return [
    ...scenario.events.flatMap((event, at) => checkEvent(scenario, event, at)),
    ...checkJobs(scenario),
    ...(scenario.availability !== undefined && 'up' in scenario.availability && scenario.availability.up < 1000
      ? [{ path: ['availability', 'up'], message: 'sites that are up for less than a second do nothing else' }]
      : []),
  ]
}

function checkEvent(scenario: Scenario, event: ScenarioEvent, at: number): readonly Problem[] {
  const sites = siteNames(scenario)
  const everyone = [...sites, RESEARCHER]
  const problems: Problem[] = []
  const among = (known: readonly string[], given: readonly string[], path: readonly PropertyKey[], what: string) => {
    for (const name of given) {
      if (known.includes(name)) continue
      const hint = suggest(name, known)
      problems.push({ path: ['events', at, ...path], message: `${name} is no ${what}${hint ? `; ${hint}` : ''}` })
    }
  }
  const { kill, start, partition, oneWay, revoke, byzantine, straggler } = event
  among(event.before === undefined ? everyone : sites, kill ?? [], ['kill'], 'site')
  among(everyone, start ?? [], ['start'], 'site')
  partition?.forEach((group, index) => {
    among(everyone, group, ['partition', index], 'site')
  })
  among(everyone, oneWay?.from ?? [], ['oneWay', 'from'], 'site')
  among(everyone, oneWay?.to ?? [], ['oneWay', 'to'], 'site')
  among(sites, revoke === undefined ? [] : [revoke], ['revoke'], 'site')
  among(sites, straggler === undefined ? [] : [straggler.site], ['straggler', 'site'], 'site')
  const members = committeeNames(scenario)
  among(members, byzantine === undefined ? [] : [byzantine.member], ['byzantine', 'member'], 'member of the committee')
  return problems
}

function checkJobs(scenario: Scenario): readonly Problem[] {
  const context = expectedContext(scenario)
  return scenario.jobs.flatMap((job, at): readonly Problem[] => {
    const path = ['jobs', at]
    if (job['dataset'] !== undefined) return [{ path, key: 'dataset', message: 'is always the simulated one' }]
    try {
      compileJob(jobDocument(job, jobName(job, at, 0)), context)
      return []
    } catch (error) {
      if (!(error instanceof FlameshError)) throw error
      return [{ path: [...path, ...parsePath(error)], message: messageOf(error) }]
    }
  })
}

/** `cohort.sites[2]` of a job document as a path. */
function parsePath({ meta }: FlameshError): readonly PropertyKey[] {
  const text = typeof meta['path'] === 'string' ? meta['path'] : ''
  return text.split(/[.[\]]+/).flatMap((part) => (part === '' ? [] : [/^\d+$/.test(part) ? Number(part) : part]))
}

function messageOf({ message, meta, hint }: FlameshError): string {
  const plain = message.replace(`${String(meta['path'])}: `, '')
  return hint === undefined ? plain : `${plain}; ${hint}`
}

const keyOf = (text: string): Hex => bytesToHex(sha256(utf8ToBytes(text)))

/** What the researcher's node will know when it signs, but for the keys. */
function expectedContext(scenario: Scenario): Parameters<typeof compileJob>[1] {
  const names = siteNames(scenario)
  const member = (name: string, roles: readonly Role[], index: number): Member => ({
    key: keyOf(name),
    sealingKey: keyOf(`seal ${name}`),
    name,
    organisation: `org-${name}`,
    roles,
    notBefore: 0,
    notAfter: Number.MAX_SAFE_INTEGER,
    index,
    revokedAt: undefined,
  })
  const members = [
    ...names.map((name, index) => member(name, ['site', 'aggregator'], index)),
    member(RESEARCHER, ['researcher'], names.length),
  ]
  const size = members.length + 1
  const committee = {
    name: 'default',
    index: members.length,
    members: committeeNames(scenario).map(keyOf),
    datasets: [DATASET],
  }
  const roster: Roster = {
    size,
    members: new Map(members.map((one) => [one.key, one])),
    committees: new Map([[committee.index, committee]]),
    attestations: [],
    images: new Map(),
  }
  return {
    roster,
    researcher: keyOf(RESEARCHER),
    catalogue: new Map([[names[0] ?? '', [{ name: DATASET, columns: [...SYNTHETIC_COLUMNS], roundedRows: 100 }]]]),
    nowMs: Date.UTC(2026, 0, 1),
    nonce: keyOf('nonce'),
    checkpoint: { size, root: keyOf('root') },
  }
}
