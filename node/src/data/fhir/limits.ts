/** Bounds of reading FHIR, each with its reason. */

/** One answer of a server, unpacked: 1,000 resources of 60 kB. What is larger is asked for in smaller pages. */
export const MAX_PAGE_BYTES = 64 << 20
/** Of one search; a server that never says which page is the last one comes to an end here at the latest. */
export const MAX_PAGES = 1_000_000
/** Pages in a row that add nothing, or pages seen before: a few are a server's weakness, more are a loop. */
export const MAX_IDLE_PAGES = 16
export const MAX_URL_CHARS = 16_384

/** Of one page. With the waits below about two minutes: a restart of a server, not its maintenance window. */
export const ATTEMPTS = 8
export const FIRST_WAIT_MS = 500
export const MAX_WAIT_MS = 60_000
/** What a server may ask for with Retry-After. */
export const MAX_RETRY_AFTER_MS = 300_000
/** Without a byte from the server. Searches are slow before the first one. */
export const IDLE_TIMEOUT_MS = 120_000

/** Resources that are evaluated in one go, and how long that may take: a hundred times what it does (milliseconds). */
export const EVALUATED_AT_ONCE = 256
export const MAX_EVALUATION_MS = 10_000

/** Of one bulk export. Servers make files of thousands of resources each. */
export const MAX_EXPORT_FILES = 100_000
/** How long a server may take to make one: it does so at night. */
export const MAX_EXPORT_MS = 24 * 3_600_000

/** Of a text that becomes a level, or is mapped. */
export const MAX_TEXT_CHARS = 1024
/** Different texts of one column, which are kept in memory. */
export const MAX_TEXTS = 1 << 20
/** Resources that are told apart: 12 bytes each, two thirds of the slots in use. */
export const MAX_IDS = 1 << 27
/** A code list written by hand; what is longer belongs into `where` as a prefix. */
export const MAX_CODES = 10_000
/** Codes go into the search unless the address would become longer than servers accept. */
export const MAX_CODE_QUERY_CHARS = 1500
