/** What a site may tell of a dataset in words, and that a member's announcement with anything else is refused. */
import assert from 'node:assert/strict'
import { encode } from '@flamesh/protocol/encoding/canonical.js'
import { openSigned, signObject } from '@flamesh/protocol/encoding/signed.js'
import { catalogueSchema } from '@flamesh/protocol/jobs/catalogue.js'
import { datasetAnnouncementSchema } from '@flamesh/protocol/jobs/dataset.js'
import { DATASETS } from '@flamesh/protocol/jobs/messages.js'
import { MAX_CATALOGUE_BYTES, MAX_GOSSIP_BYTES } from '@flamesh/protocol/limits.js'
import fc from 'fast-check'
import { signer } from '../identity/fixtures.js'
import { LUNG } from './support.js'

const FULL = {
  title: 'Lung cancer, second line',
  description: 'Everyone whose treatment was decided by the board: 50 % women, "ECOG" & survival.',
  language: 'en',
  keywords: ['lung cancer', 'Überleben'],
  publisher: { name: 'University Hospital A', page: 'https://a.example.org' },
  contact: { email: 'data@a.example.org', page: 'https://a.example.org/data?x=1' },
  page: 'https://a.example.org/lung',
  healthCategories: ['EHRS'],
  codingSystems: ['ICD-10', 'SNOMED-CT'],
  countries: ['DEU', 'AUT'],
  period: { from: '2015-01-01', to: '2024-12-31' },
  minimumAge: 18,
  maximumAge: 99,
  population: 'adults from the region',
  individuals: true,
  accessRights: 'non-public',
  licence: 'https://a.example.org/terms',
  legislation: ['http://data.europa.eu/eli/reg/2025/327/oj'],
}
const accepts = (changes: object): boolean => catalogueSchema.safeParse({ ...FULL, ...changes }).success

describe('what is told of a dataset', () => {
  it('has all of these fields, or a title alone', () => {
    assert.deepEqual(catalogueSchema.parse(FULL), FULL)
    assert.ok(catalogueSchema.safeParse({ title: 'lung' }).success)
    assert.ok(datasetAnnouncementSchema.safeParse(LUNG).success, 'and may be left out')
    assert.ok(!catalogueSchema.safeParse({ description: 'lung' }).success)
  })

  it('is text of one line that moves and hides nothing', () => {
    for (const sign of [
      '\n',
      '\r',
      '\t',
      '\u0000',
      '\u001b[2J',
      '\u009b',
      '\u202e',
      '\u2066',
      '\u2028',
      '\u200b',
      '\ufeff',
    ]) {
      for (const field of ['title', 'description', 'population'])
        assert.ok(!accepts({ [field]: `a${sign}b` }), `${field} ${JSON.stringify(sign)}`)
      assert.ok(!accepts({ keywords: [`a${sign}b`] }))
      assert.ok(!accepts({ publisher: { name: `a${sign}b` } }))
    }
    assert.ok(accepts({ title: '<script>alert("é")</script> 肺がん' }), 'what is printed in HTML is escaped there')
  })

  it('is addresses, codes and days that are such', () => {
    for (const page of [
      'javascript:alert(1)',
      'file:///etc/passwd',
      'a.example.org',
      'https://a b',
      'https://a"><b>',
      'https://é.org',
    ])
      for (const changes of [
        { page },
        { licence: page },
        { legislation: [page] },
        { contact: { page } },
        { publisher: { name: 'a', page } },
      ])
        assert.ok(!accepts(changes), JSON.stringify(changes))
    for (const email of ['nobody', 'a@b', 'a@b.org,c@d.org', 'a@b.org?bcc=x@y.org', '"a b"@c.org'])
      assert.ok(!accepts({ contact: { email } }), email)
    assert.ok(!accepts({ contact: {} }))
    for (const code of ['ehrs', 'E', 'http://x', 'ICD 10', 'X/../Y'])
      assert.ok(!accepts({ codingSystems: [code] }), code)
    assert.ok(!accepts({ countries: ['DE'] }) && !accepts({ countries: ['DEU', 'DEU'] }))
    assert.ok(!accepts({ period: { from: '2015-02-30' } }) && !accepts({ period: {} }))
    assert.ok(
      !accepts({ period: { from: '2016-01-01', to: '2015-01-01' } }) && accepts({ period: { to: '2015-01-01' } }),
    )
    assert.ok(!accepts({ minimumAge: 100 }) && !accepts({ minimumAge: -1 }) && !accepts({ minimumAge: 1.5 }))
    assert.ok(!accepts({ accessRights: 'everyone' }) && !accepts({ language: 'english please' }))
    assert.ok(!accepts({ rows: 228 }), 'no other field')
  })

  it('is bounded, so that all datasets of a site fit into one announcement', () => {
    assert.ok(!accepts({ keywords: Array.from({ length: 25 }, (_, at) => `k${at}`) }))
    assert.ok(accepts({ description: 'x'.repeat(1500) }))
    assert.ok(!accepts({ description: 'x'.repeat(1501) }))
    const wide = { title: 'あ'.repeat(200), description: 'あ'.repeat(1500) }
    assert.ok(encode(wide).length > MAX_CATALOGUE_BYTES)
    assert.ok(!catalogueSchema.safeParse(wide).success)
    assert.ok(64 * MAX_CATALOGUE_BYTES < MAX_GOSSIP_BYTES)
  })

  it('comes through an announcement as it was signed, or the announcement is refused', () => {
    const site = signer('site-a')
    const announce = (catalogue: unknown) =>
      signObject(
        DATASETS.kind,
        DATASETS.version,
        { site: site.publicKey, sequence: 1, datasets: [{ ...LUNG, catalogue }] },
        site,
      )
    assert.deepEqual(openSigned(announce(FULL), DATASETS).body.datasets[0]?.catalogue, FULL)
    for (const wrong of [{ title: 'a\u001b[2J' }, { ...FULL, more: 1 }, { title: 7 }, null, []])
      assert.throws(() => openSigned(announce(wrong), DATASETS), { code: 'schema' }, JSON.stringify(wrong))
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const parsed = catalogueSchema.safeParse(value)
        assert.ok(!parsed.success || encode(parsed.data).length <= MAX_CATALOGUE_BYTES)
      }),
    )
  })
})
