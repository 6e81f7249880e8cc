import assert from 'node:assert/strict'
import type { Certificate } from '@flamesh/protocol/identity/certificate.js'
import { extendRoster } from '@flamesh/protocol/identity/fold.js'
import {
  activeMember,
  attestationOf,
  committeeFor,
  emptyRoster,
  memberByName,
  type Roster,
  successionOf,
} from '@flamesh/protocol/identity/roster.js'
import { type Entry, signStatement } from '@flamesh/protocol/identity/statements.js'
import { certificate, committee, enrol, hub, START_MS, sealingKey, signer, YEAR_MS } from './fixtures.js'

const fold = (entries: readonly Entry[], from: Roster = emptyRoster) =>
  extendRoster(
    from,
    entries.map((entry, at) => ({ index: from.size + at, timestamp: START_MS, entry })),
  )

function roster(entries: readonly Entry[]): Roster {
  const folded = fold(entries)
  assert.ok(folded.ok, JSON.stringify(folded))
  return folded.roster
}

/** The code with which the last of these is refused; the others must be fine. */
function refusal(entries: readonly Entry[]): string {
  const folded = fold(entries.slice(-1), roster(entries.slice(0, -1)))
  assert.ok(!folded.ok, 'accepted')
  assert.equal(folded.index, entries.length - 1)
  return folded.code
}

const key = (name: string) => signer(name).publicKey
const revoke = (name: string): Entry => ({ type: 'revoke', key: key(name), reason: 'left' })
const rotate = (from: string, to: string, changes: { notAfter?: number; newSealingKey?: string } = {}): Entry => ({
  type: 'rotate-key',
  key: key(from),
  newKey: key(to),
  newSealingKey: sealingKey(to),
  notBefore: START_MS,
  notAfter: START_MS + YEAR_MS,
  ...changes,
})
const hash = 'ab'.repeat(32)
const attest = (...reviewers: string[]): Entry => ({
  type: 'attest-analysis',
  analysis: 'cox',
  analysisHash: hash,
  reviewers,
})
const withdraw: Entry = { type: 'withdraw-analysis', analysis: 'cox', analysisHash: hash, reason: 'wrong' }
const four = ['a', 'b', 'c', 'd'].map((name) => enrol(name))

describe('the fold', () => {
  it('makes members of certificates', () => {
    const folded = roster(four)
    assert.equal(folded.size, 4)
    assert.deepEqual(memberByName(folded, 'c'), { ...certificate('c'), index: 2, revokedAt: undefined })
    assert.equal(activeMember(folded, key('c'), START_MS)?.name, 'c')
    assert.equal(activeMember(folded, key('c'), START_MS - 1), undefined)
    assert.equal(activeMember(folded, key('c'), START_MS + YEAR_MS), undefined)
    assert.equal(emptyRoster.members.size, 0)
  })

  it('gives a name to one member at a time and a key to one for ever', () => {
    assert.equal(refusal([enrol('a'), enrol('b', { name: 'a' })]), 'name-taken')
    assert.equal(refusal([enrol('a'), enrol('b', { key: key('a') })]), 'key-taken')
    assert.equal(refusal([enrol('a'), enrol('b', { sealingKey: sealingKey('a') })]), 'key-taken')
    assert.equal(refusal([enrol('a'), revoke('a'), enrol('a')]), 'key-taken')
    const again = roster([enrol('a'), revoke('a'), enrol('b', { name: 'a' })])
    assert.equal(memberByName(again, 'a')?.key, key('b'))
  })

  it('ends a membership once', () => {
    const folded = roster([...four, revoke('b')])
    assert.equal(folded.members.get(key('b'))?.revokedAt, 4)
    assert.equal(memberByName(folded, 'b'), undefined)
    assert.equal(activeMember(folded, key('b'), START_MS), undefined)
    assert.equal(refusal([...four, revoke('b'), revoke('b')]), 'not-a-member')
    assert.equal(refusal([...four, revoke('stranger')]), 'not-a-member')
  })

  it('moves a membership to a new key, not a seat', () => {
    const folded = roster([enrol('a'), rotate('a', 'new')])
    assert.equal(folded.members.get(key('a'))?.revokedAt, 1)
    const moved: Certificate = certificate('a', { key: key('new'), sealingKey: sealingKey('new') })
    assert.deepEqual(memberByName(folded, 'a'), { ...moved, index: 1, revokedAt: undefined })
    assert.equal(refusal([...four, committee('one', ['a', 'b', 'c'], ['lung']), rotate('a', 'new')]), 'committee-seat')
    assert.equal(refusal([...four, rotate('a', 'b')]), 'key-taken')
    assert.equal(refusal([...four, rotate('a', 'new', { newSealingKey: sealingKey('b') })]), 'key-taken')
    assert.equal(refusal([...four, rotate('a', 'new', { notAfter: START_MS })]), 'never-valid')
    assert.equal(refusal([...four, revoke('a'), rotate('a', 'new')]), 'not-a-member')
  })

  it('seats three, four or seven active aggregators of distinct organisations', () => {
    const all = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const members = all.map((name) => enrol(name))
    for (const size of [3, 4, 7]) {
      const folded = roster([...members, committee('one', all.slice(0, size), ['lung', 'heart'])])
      const record = committeeFor(folded, 'heart')
      assert.deepEqual(record?.members, all.slice(0, size).map(key))
      assert.equal(record?.index, 8)
    }
    for (const size of [0, 1, 2, 5, 6]) {
      assert.equal(refusal([...members, committee('one', all.slice(0, size), ['lung'])]), 'committee-size')
    }
    assert.equal(refusal([...four, committee('one', ['a', 'b', 'stranger'], ['lung'])]), 'not-a-member')
    assert.equal(refusal([...four, revoke('b'), committee('one', ['a', 'b', 'c'], ['lung'])]), 'not-a-member')
    const late = enrol('z', { notBefore: START_MS + 1 })
    assert.equal(refusal([...four, late, committee('one', ['a', 'b', 'z'], ['lung'])]), 'not-a-member')
    const site = enrol('z', { roles: ['site'] })
    assert.equal(refusal([...four, site, committee('one', ['a', 'b', 'z'], ['lung'])]), 'committee-role')
    const twin = enrol('z', { organisation: 'org-a' })
    assert.equal(refusal([...four, twin, committee('one', ['a', 'b', 'z'], ['lung'])]), 'committee-organisations')
  })

  it('gives a dataset one committee', () => {
    const one = committee('one', ['a', 'b', 'c'], ['lung'])
    assert.equal(refusal([...four, one, committee('two', ['b', 'c', 'd'], ['heart', 'lung'])]), 'dataset-served')
    assert.equal(refusal([...four, one, committee('one', ['b', 'c', 'd'], ['heart'])]), 'name-taken')
    const folded = roster([...four, one, committee('two', ['b', 'c', 'd'], ['heart'])])
    assert.equal(committeeFor(folded, 'heart')?.name, 'two')
    assert.equal(committeeFor(folded, 'kidney'), undefined)
  })

  it('lets a committee succeed the one that serves a dataset, for the datasets that one serves', () => {
    const one = committee('one', ['a', 'b', 'c'], ['lung', 'heart'])
    const next = (name: string, datasets: readonly string[], succeeds: readonly number[]) =>
      ({ ...committee(name, ['b', 'c', 'd'], datasets), succeeds: [...succeeds] }) as Entry
    const two = next('two', ['lung', 'kidney'], [4])
    const folded = roster([...four, one, two])
    assert.equal(committeeFor(folded, 'lung')?.name, 'two')
    assert.equal(committeeFor(folded, 'heart')?.name, 'one')
    const { successor, at } = successionOf(folded, 4, 'lung') ?? {}
    assert.deepEqual([successor?.index, at], [5, folded.timestamp])
    assert.deepEqual(successor?.succeeds?.[0]?.datasets, ['lung'])
    for (const dataset of ['heart', 'kidney']) assert.equal(successionOf(folded, 4, dataset), undefined)
    assert.equal(successionOf(folded, 5, 'lung'), undefined)
    assert.equal(refusal([...four, one, two, next('three', ['lung'], [4])]), 'dataset-served')
    assert.equal(refusal([...four, one, two, next('three', ['lung', 'heart'], [5])]), 'dataset-served')
    assert.equal(refusal([...four, one, two, next('three', ['liver'], [5])]), 'not-succeeded')
    assert.equal(refusal([...four, one, next('two', ['lung'], [4, 9])]), 'not-succeeded')
    const both = roster([...four, one, two, next('three', ['lung', 'heart'], [4, 5])])
    assert.deepEqual(
      both.committees.get(6)?.succeeds?.map(({ committee: index, datasets }) => [index, datasets]),
      [
        [4, ['heart']],
        [5, ['lung']],
      ],
    )
  })

  it('keeps attestations and takes them back', () => {
    assert.deepEqual(attestationOf(roster([attest('ana')]), hash)?.reviewers, ['ana'])
    assert.equal(attestationOf(roster([attest('ana'), withdraw]), hash), undefined)
    assert.equal(attestationOf(roster([attest('ana'), withdraw, attest('bo')]), hash)?.index, 2)
    assert.equal(refusal([attest('ana'), attest('bo')]), 'already-attested')
    assert.equal(refusal([withdraw]), 'not-attested')
    assert.equal(refusal([attest('ana'), withdraw, withdraw]), 'not-attested')
  })

  it('holds attestations to the floor in force', () => {
    const floor: Entry = { type: 'set-policy-floor', threshold: 2, reviewers: ['ana', 'bo', 'cy'] }
    assert.equal(refusal([floor, attest('ana', 'dee')]), 'reviewers-missing')
    assert.ok(attestationOf(roster([floor, attest('ana', 'dee', 'cy')]), hash))
    assert.equal(attestationOf(roster([attest('dee'), floor]), hash)?.floor, undefined)
    assert.equal(attestationOf(roster([floor, attest('ana', 'bo'), floor]), hash)?.floor?.index, 0)
    const lower: Entry = { type: 'set-policy-floor', threshold: 1, reviewers: ['dee'] }
    assert.ok(attestationOf(roster([floor, lower, attest('dee')]), hash))
  })

  it('keeps the order of the log', () => {
    const at = (index: number, timestamp: number) => ({ index, timestamp, entry: enrol(`m${index}`) })
    assert.equal(extendRoster(emptyRoster, [at(0, 5), at(1, 5)]).ok, true)
    for (const statements of [[at(1, 5)], [at(0, 5), at(2, 5)], [at(0, 5), at(0, 5)], [at(0, 5), at(1, 4)]]) {
      const folded = extendRoster(emptyRoster, statements)
      assert.equal(folded.ok ? 'accepted' : folded.code, 'statement-order')
    }
  })

  it('leaves the roster it was given as it was', () => {
    const before = roster(four)
    fold([revoke('a'), committee('one', ['b', 'c', 'd'], ['lung']), attest('ana')], before)
    assert.deepEqual(before, roster(four))
  })

  it('signs no malformed statement', () => {
    const malformed: Entry[] = [
      enrol('Upper'),
      enrol(''),
      enrol('a', { organisation: 'two words' }),
      enrol('a', { roles: [] }),
      enrol('a', { roles: ['aggregator', 'site'] }),
      enrol('a', { roles: ['site', 'site'] }),
      enrol('a', { notAfter: START_MS }),
      enrol('a', { key: 'AB'.repeat(32) }),
      committee('one', ['a', 'a', 'b'], ['lung']),
      committee('one', ['a', 'b', 'c'], []),
      committee('one', ['a', 'b', 'c'], ['lung', 'lung']),
      committee('one', ['a', 'b', 'c'], ['../lung']),
      attest(),
      attest('ana', 'ana'),
      attest(' ana'),
      attest('a\u0007b'),
      { type: 'revoke', key: key('a'), reason: '' },
      { type: 'set-policy-floor', threshold: 2, reviewers: ['ana'] },
    ]
    for (const entry of malformed) {
      assert.throws(
        () => signStatement({ index: 0, timestamp: START_MS, entry }, hub),
        { code: 'schema' },
        JSON.stringify(entry),
      )
    }
    assert.ok(signStatement({ index: 0, timestamp: START_MS, entry: attest('Dr. Ana Ñ.') }, hub).length > 0)
  })
})
