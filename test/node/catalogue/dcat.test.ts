/** The triples of an announced dataset, read by a JSON-LD processor that fetches nothing. */
import assert from 'node:assert/strict'
import { jsonLdOf } from '@flamesh/node/catalogue/dcat.js'
import type { DatasetAnnouncement } from '@flamesh/protocol/jobs/dataset.js'
import jsonld from 'jsonld'

const SITE = { name: 'site-a', organisation: 'University Hospital A', key: 'ab'.repeat(32) }
const DATASET: DatasetAnnouncement = {
  name: 'lung',
  roundedRows: 230,
  columns: [
    { name: 'ph.ecog', type: 'level', levels: ['0', '1'] },
    { name: 'diagnosed', type: 'integer', epoch: '1970-01-01' },
    { name: 'weight', type: 'number' },
  ],
  catalogue: {
    title: 'Lung "cancer"',
    description: 'with \\ and <b>',
    language: 'en',
    keywords: ['lung', 'ECOG'],
    contact: { email: 'data@a.example.org', page: 'https://a.example.org/data' },
    healthCategories: ['EHRS'],
    codingSystems: ['ICD-10'],
    countries: ['DEU'],
    period: { from: '2015-01-01', to: '2024-12-31' },
    minimumAge: 18,
    individuals: true,
    accessRights: 'non-public',
    licence: 'https://a.example.org/terms',
    legislation: ['http://data.europa.eu/eli/reg/2025/327/oj'],
  },
}

interface Term {
  readonly termType: string
  readonly value: string
  readonly datatype?: { readonly value: string }
  readonly language?: string
}
type Triple = readonly [subject: string, predicate: string, object: string]

const offline = async (url: string): Promise<never> => {
  throw new Error(`nothing is to be fetched: ${url}`)
}

async function triplesOf(document: object): Promise<readonly Triple[]> {
  const quads = (await jsonld.toRDF(document, { documentLoader: offline })) as readonly {
    subject: Term
    predicate: Term
    object: Term
  }[]
  return quads.map(({ subject, predicate, object }) => {
    const type = object.datatype?.value.replace(/.*[#/]/, '')
    const suffix = object.language ? `@${object.language}` : type === undefined || type === 'string' ? '' : `^^${type}`
    const named = ({ termType, value }: Term): string => (termType === 'BlankNode' ? `_:${value}` : value)
    return [named(subject), predicate.value, `${named(object)}${suffix}`]
  })
}

const DCT = 'http://purl.org/dc/terms/'
const DCAT = 'http://www.w3.org/ns/dcat#'
const HEALTH = 'http://healthdataportal.eu/ns/health#'
const TYPE = 'http://www.w3.org/1999/02/22-rdf-syntax-ns#type'
const NAL = 'https://hdeu-dcat.data.health.europa.eu/resource/authority'
const EU = 'http://publications.europa.eu/resource/authority'
const ID = `urn:flamesh:${SITE.key}:lung`

describe('a dataset as DCAT', () => {
  it('has the triples that HealthDCAT-AP names', async () => {
    const triples = await triplesOf(jsonLdOf(SITE, DATASET))
    const own = triples.filter(([subject, , object]) => subject === ID && !object.startsWith('_:'))
    assert.deepEqual(
      own.map(([, predicate, object]) => `${predicate} ${object}`).sort(),
      [
        `${TYPE} ${DCAT}Dataset`,
        `${DCT}title Lung "cancer"@en`,
        `${DCT}description with \\ and <b>@en`,
        `${DCT}identifier site-a/lung`,
        `${DCT}accessRights ${EU}/access-right/NON_PUBLIC`,
        `${DCT}license https://a.example.org/terms`,
        `${DCT}spatial ${EU}/country/DEU`,
        `${DCAT}keyword lung@en`,
        `${DCAT}keyword ECOG@en`,
        `${DCAT}theme ${EU}/data-theme/HEAL`,
        'http://data.europa.eu/r5r/applicableLegislation http://data.europa.eu/eli/reg/2025/327/oj',
        `${HEALTH}healthCategory ${NAL}/healthcategories/EHRS`,
        `${HEALTH}hasCodingSystem ${NAL}/coding-system/ICD-10`,
        `${HEALTH}minTypicalAge 18^^nonNegativeInteger`,
        `${HEALTH}numberOfRecords 230^^nonNegativeInteger`,
        `${HEALTH}numberOfUniqueIndividuals 230^^nonNegativeInteger`,
        `${HEALTH}hasStructuredData true^^boolean`,
      ].sort(),
    )
  })

  it('has nodes for who publishes and holds it, whom to ask, when, and its columns', async () => {
    const triples = await triplesOf(jsonLdOf(SITE, DATASET))
    const under = (subject: string, predicate: string): readonly string[] =>
      triples.filter(([a, b]) => a === subject && b === predicate).map(([, , object]) => object)
    const node = (predicate: string): string => {
      const [only = '', ...more] = under(ID, predicate)
      assert.ok(only.startsWith('_:') && more.length === 0, predicate)
      return only
    }
    const FOAF = 'http://xmlns.com/foaf/0.1/'
    assert.deepEqual(under(node(`${DCT}publisher`), `${FOAF}name`), ['University Hospital A'])
    assert.deepEqual(under(node('http://data.europa.eu/930/custodian'), `${FOAF}name`), ['University Hospital A'])
    const contact = node(`${DCAT}contactPoint`)
    assert.deepEqual(under(contact, 'http://www.w3.org/2006/vcard/ns#hasEmail'), ['mailto:data@a.example.org'])
    assert.deepEqual(under(node(`${DCT}temporal`), `${DCAT}endDate`), ['2024-12-31^^date'])
    const CSVW = 'http://www.w3.org/ns/csvw#'
    const [table = ''] = under(node(`${HEALTH}hasVariables`), `${CSVW}table`)
    const columns = under(table, `${CSVW}column`).map((column) => [
      under(column, `${CSVW}name`)[0],
      under(column, `${CSVW}datatype`)[0],
      under(column, `${DCT}description`)[0] ?? null,
    ])
    assert.deepEqual(columns, [
      ['ph.ecog', 'string', 'levels: 0, 1'],
      ['diagnosed', 'integer', 'whole days since 1970-01-01'],
      ['weight', 'double', null],
    ])
  })

  it('needs no words: the name is the title, the organisation publishes it', async () => {
    const { catalogue: _, ...bare } = DATASET
    const triples = await triplesOf(jsonLdOf(SITE, bare))
    const titles = triples.filter(([, predicate]) => predicate === `${DCT}title`)
    assert.deepEqual(titles, [[ID, `${DCT}title`, 'lung']])
    assert.ok(triples.some(([, predicate]) => predicate === `${DCT}publisher`))
  })
})
