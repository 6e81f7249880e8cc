/**
 * An announced dataset as JSON-LD: DCAT 3 with the terms of HealthDCAT-AP release 8 that a site fills in. Implements
 * docs/reference/catalogue.md. It is no complete record of that profile: no distribution, no access body, nothing made up.
 */
import type { Hex } from '@flamesh/protocol/crypto/hash.js'
import type { CatalogueEntry } from '@flamesh/protocol/jobs/catalogue.js'
import type { ColumnDescription, DatasetAnnouncement } from '@flamesh/protocol/jobs/dataset.js'

/** Who announced it. */
export interface Announcer {
  readonly name: string
  readonly organisation: string
  readonly key: Hex
}

const CONTEXT = {
  csvw: 'http://www.w3.org/ns/csvw#',
  dcat: 'http://www.w3.org/ns/dcat#',
  dcatap: 'http://data.europa.eu/r5r/',
  dct: 'http://purl.org/dc/terms/',
  foaf: 'http://xmlns.com/foaf/0.1/',
  geodcatap: 'http://data.europa.eu/930/',
  healthdcatap: 'http://healthdataportal.eu/ns/health#',
  vcard: 'http://www.w3.org/2006/vcard/ns#',
  xsd: 'http://www.w3.org/2001/XMLSchema#',
}

const EU = 'http://publications.europa.eu/resource/authority'
const HEALTH = 'https://hdeu-dcat.data.health.europa.eu/resource/authority'
const ACCESS = { public: 'PUBLIC', restricted: 'RESTRICTED', 'non-public': 'NON_PUBLIC' } as const
const CSVW_TYPES = { integer: 'integer', number: 'double', level: 'string', text: 'string' } as const

const iri = (address: string) => ({ '@id': address })
const count = (value: number) => ({ '@value': String(value), '@type': 'xsd:nonNegativeInteger' })
const day = (value: string) => ({ '@value': value, '@type': 'xsd:date' })

/** Without what is not there. */
const present = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

function columnOf({ name, type, levels, epoch }: ColumnDescription): object {
  const about = [
    ...(levels === undefined ? [] : [`levels: ${levels.join(', ')}`]),
    ...(epoch === undefined ? [] : [`whole days since ${epoch}`]),
  ]
  return present({
    '@type': 'csvw:Column',
    'csvw:name': name,
    'csvw:datatype': CSVW_TYPES[type],
    'dct:description': about.length === 0 ? undefined : about.join('; '),
  })
}

const agent = (name: string, page?: string): object =>
  present({ '@type': 'foaf:Agent', 'foaf:name': name, 'foaf:homepage': page === undefined ? undefined : iri(page) })

/** What a site says of the dataset in words. */
function told(entry: CatalogueEntry, rows: number): Record<string, unknown> {
  const { language, publisher, contact, period, accessRights } = entry
  const text = (value: string | undefined) =>
    value === undefined || language === undefined ? value : { '@value': value, '@language': language }
  return present({
    'dct:title': text(entry.title),
    'dct:description': text(entry.description),
    'dcat:keyword': entry.keywords?.map(text),
    'dct:publisher': publisher && agent(publisher.name, publisher.page),
    'dcat:contactPoint':
      contact &&
      present({
        '@type': 'vcard:Kind',
        'vcard:hasEmail': contact.email === undefined ? undefined : iri(`mailto:${contact.email}`),
        'vcard:hasURL': contact.page === undefined ? undefined : iri(contact.page),
      }),
    'dcat:landingPage': entry.page === undefined ? undefined : iri(entry.page),
    'healthdcatap:healthCategory': entry.healthCategories?.map((one) => iri(`${HEALTH}/healthcategories/${one}`)),
    'healthdcatap:hasCodingSystem': entry.codingSystems?.map((one) => iri(`${HEALTH}/coding-system/${one}`)),
    'dct:spatial': entry.countries?.map((one) => iri(`${EU}/country/${one}`)),
    'dct:temporal':
      period &&
      present({
        '@type': 'dct:PeriodOfTime',
        'dcat:startDate': period.from && day(period.from),
        'dcat:endDate': period.to && day(period.to),
      }),
    'healthdcatap:minTypicalAge': entry.minimumAge === undefined ? undefined : count(entry.minimumAge),
    'healthdcatap:maxTypicalAge': entry.maximumAge === undefined ? undefined : count(entry.maximumAge),
    'healthdcatap:populationCoverage': text(entry.population),
    'healthdcatap:numberOfUniqueIndividuals': entry.individuals === true ? count(rows) : undefined,
    'dct:accessRights': accessRights && iri(`${EU}/access-right/${ACCESS[accessRights]}`),
    'dct:license': entry.licence === undefined ? undefined : iri(entry.licence),
    'dcatap:applicableLegislation': entry.legislation?.map(iri),
  })
}

/** One `dcat:Dataset`, as the releases of HealthDCAT-AP write theirs. Numbers of rows are the rounded ones that are announced. */
export function jsonLdOf(site: Announcer, { name, columns, roundedRows, catalogue }: DatasetAnnouncement): object {
  const words = catalogue === undefined ? {} : told(catalogue, roundedRows)
  return {
    '@context': CONTEXT,
    '@id': `urn:flamesh:${site.key}:${name}`,
    '@type': 'dcat:Dataset',
    'dct:title': name,
    'dct:publisher': agent(site.organisation),
    ...words,
    'dct:identifier': `${site.name}/${name}`,
    'geodcatap:custodian': agent(site.organisation),
    'dcat:theme': iri(`${EU}/data-theme/HEAL`),
    'healthdcatap:numberOfRecords': count(roundedRows),
    'healthdcatap:hasStructuredData': true,
    'healthdcatap:hasVariables': {
      '@type': 'csvw:TableGroup',
      'csvw:table': { '@type': 'csvw:Table', 'csvw:column': columns.map(columnOf) },
    },
  }
}
