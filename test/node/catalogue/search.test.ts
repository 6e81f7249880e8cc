import assert from 'node:assert/strict'
import { type Announced, columnsOverSites, type Query, searchCatalogue } from '@flamesh/node/catalogue/search.js'
import type { ColumnDescription, DatasetAnnouncement } from '@flamesh/protocol/jobs/dataset.js'

const column = (name: string, type: ColumnDescription['type'], more: Partial<ColumnDescription> = {}) => ({
  name,
  type,
  ...more,
})
const dataset = (name: string, columns: ColumnDescription[], more: Partial<DatasetAnnouncement> = {}) => ({
  name,
  columns,
  roundedRows: 100,
  ...more,
})

const ANNOUNCED: Announced = {
  'site-b': [
    dataset('lung', [
      column('ph.ecog', 'level', { levels: ['0', '1', '2', '3'] }),
      column('diagnosed', 'integer', { epoch: '1960-01-01' }),
      column('age', 'integer'),
    ]),
  ],
  'site-a': [
    dataset(
      'lung',
      [
        column('ph.ecog', 'integer', { levels: ['0', '1', '2'] }),
        column('diagnosed', 'integer', { epoch: '1970-01-01' }),
        column('age', 'integer'),
      ],
      { catalogue: { title: 'Lung cancer', keywords: ['Überleben'], codingSystems: ['ICD-10'], population: 'adults' } },
    ),
    dataset('breast', [column('stage', 'level', { levels: ['I', 'IV'] })]),
  ],
  'site-c': [dataset('lung', [column('age', 'integer'), column('ECOG.group', 'level', { levels: ['0', '2+'] })])],
}

const NOTHING: Query = { words: [], columns: [], levels: [], sites: [] }
const names = (query: Partial<Query>): readonly string[] =>
  searchCatalogue(ANNOUNCED, { ...NOTHING, ...query }).map(({ site, dataset: { name } }) => `${site}/${name}`)

describe('searching the catalogue', () => {
  it('finds all words, wherever they are and whatever their case', () => {
    assert.deepEqual(names({}), ['site-a/breast', 'site-a/lung', 'site-b/lung', 'site-c/lung'])
    assert.deepEqual(names({ words: ['überleben', 'ICD-10'] }), ['site-a/lung'])
    assert.deepEqual(names({ words: ['lung', 'site-b'] }), ['site-b/lung'])
    assert.deepEqual(names({ words: ['lung', 'stage'] }), [])
    assert.deepEqual(names({ words: ['codingSystems'] }), [], 'names of fields are no words')
    assert.deepEqual(names({ sites: ['SITE-C', 'site-b'] }), ['site-b/lung', 'site-c/lung'])
  })

  it('finds columns by a part of their name, and levels of any or of these columns', () => {
    assert.deepEqual(names({ columns: ['ecog'] }), ['site-a/lung', 'site-b/lung', 'site-c/lung'])
    assert.deepEqual(names({ columns: ['ecog', 'diagnosed'] }), ['site-a/lung', 'site-b/lung'])
    assert.deepEqual(names({ levels: ['iv'] }), ['site-a/breast'])
    assert.deepEqual(names({ levels: ['ph.ecog=3'] }), ['site-b/lung'])
    assert.deepEqual(names({ levels: ['stage=3'] }), [])
    assert.deepEqual(names({ columns: ['age'], levels: ['3'] }), [])
  })

  it('says of a column which sites have it, how, and where they differ', () => {
    const found = searchCatalogue(ANNOUNCED, { ...NOTHING, columns: ['ph.ecog'] })
    const [ecog, ...none] = columnsOverSites(ANNOUNCED, found)
    assert.deepEqual(none, [])
    assert.deepEqual(
      ecog?.sites.map(({ site, description }) => [site, description.type]),
      [
        ['site-a', 'integer'],
        ['site-b', 'level'],
      ],
    )
    assert.deepEqual(ecog?.without, ['site-c'])
    assert.deepEqual(ecog?.differences, [
      'types: integer (site-a), level (site-b)',
      'levels that not all announced: "3" (site-b)',
    ])
    const days = columnsOverSites(ANNOUNCED, searchCatalogue(ANNOUNCED, { ...NOTHING, columns: ['diagnosed'] }))
    assert.deepEqual(days[0]?.differences, ['days: days since 1970-01-01 (site-a), days since 1960-01-01 (site-b)'])
    const age = columnsOverSites(ANNOUNCED, searchCatalogue(ANNOUNCED, { ...NOTHING, columns: ['age'] }))
    assert.deepEqual([age[0]?.differences, age[0]?.without], [[], []])
  })

  it('tells of a column over all sites, also where only some were asked for', () => {
    const found = searchCatalogue(ANNOUNCED, { ...NOTHING, columns: ['ecog'], sites: ['site-a'] })
    const [ecog] = columnsOverSites(ANNOUNCED, found)
    assert.deepEqual(
      ecog?.sites.map(({ site }) => site),
      ['site-a', 'site-b'],
    )
  })
})
