/** Every bound of the protocol in one place, each with its reason. Byte counts are of encoded messages. */

/** A committee has at most seven members; a handover may carry two committees' worth, an image that many reviews. */
export const MAX_SIGNATURES = 16
/** Operators whom a site's policy names: a thousand decisions, with their signatures, go into one message. */
export const MAX_OPERATORS = 8
/** Gossip is for announcements; above this the pubsub link of older peers would be closed for good. */
export const MAX_GOSSIP_BYTES = 256 * 1024
/** A record up to here is announced by gossip, where everyone gets it several times; of a longer one members tell that it is there. */
export const MAX_GOSSIPED_RECORD_BYTES = 16 * 1024
/** One direct message: a million 128-bit words and their envelope fit. */
export const MAX_MESSAGE_BYTES = 64 * 1024 * 1024
/** A job is a page of YAML. */
export const MAX_JOB_BYTES = 64 * 1024
/** Sites in one cohort: certificates name each of them. */
export const MAX_COHORT = 2048
/** Stations of one route: every hop carries all that went before it, and a chain of so many fits a small message. */
export const MAX_STATIONS = 64
/** Rows of the log a node asks for at once. */
export const MAX_STATEMENTS_PER_REQUEST = 1000
/** One statement: a certificate, a committee with its datasets, or an image's description and its reviews. */
export const MAX_STATEMENT_BYTES = 16 * 1024
/** A description of an image: what remains of a statement when sixteen reviews are under it. */
export const MAX_DESCRIPTION_BYTES = 12 * 1024
/** Words in one site's vector. */
export const MAX_DIMENSION = 1 << 20
/** Fisher scoring and Newton's method converge in fewer than ten steps or not at all. */
export const MAX_ROUNDS = 64
/** Attempts of one round: at least t + 1 so that every proposer can be the faulty one, with room for pauses. */
export const MAX_ATTEMPTS = 32
/**
 * Finished attempts of one job, in a release and in a receipt: every attempt of every round (2048), and one that was certified
 * and not opened in time for every ten minutes of thirty days (4320), which counts against no limit.
 */
export const MAX_RECORDS = 8192
/** Jobs a node keeps open at once; more are ignored until some end. */
export const MAX_OPEN_JOBS = 1000
/** Of these, jobs of one researcher: nobody keeps the others' out. */
export const MAX_OPEN_JOBS_OF_ONE = 100
/** A job may not be announced for longer than this (milliseconds): its keys and locks are held as long. */
export const MAX_JOB_LIFETIME_MS = 30 * 24 * 3_600_000
/** Clocks of honest nodes may differ by this much (milliseconds). */
export const MAX_CLOCK_SKEW_MS = 2 * 60_000
/** A checkpoint older than this is not enough to accept a new job (milliseconds). */
export const MAX_CHECKPOINT_AGE_MS = 7 * 24 * 3_600_000
/** A committee may open a sum for this long after the latest closing (milliseconds). */
export const OPEN_MARGIN_MS = 10 * 60_000
/** Who lacks the outcome of a round asks for it again this often, and for this long after the job (milliseconds). */
export const ASK_AGAIN_MS = 10 * 60_000
export const ASK_UNTIL_MS = 24 * 3_600_000
/**
 * Members keep a sealed result for this long after the job's `notAfter`: longer than anybody is on leave. Whoever has not
 * fetched it by then asks again (milliseconds).
 */
export const KEEP_RESULT_MS = 30 * 24 * 3_600_000
/** What a site tells of one dataset in words: those of all its datasets have to fit into one announcement by gossip. */
export const MAX_CATALOGUE_BYTES = 3 * 1024
/** Levels of one factor (docs/spec/analyses.md): more identify people. */
export const MAX_FACTOR_LEVELS = 40
/** The smallest cohort a site may accept, whatever its policy says. */
export const MIN_COHORT_FLOOR = 3
/** The smallest cohort a site accepts unless its policy lowers it. */
export const DEFAULT_MIN_COHORT = 5
/** The smallest cell that is released unless a site or a job asks for more. */
export const DEFAULT_MIN_CELL = 5
/** Distinct survivor sets under one guard key: every one is named in every specification of the question. */
export const MAX_NAMED_SETS = 1024
/** Proofs of survivor sets in one message, and sets asked for at once: a proof is as large as its specification. */
export const MAX_PROOFS_PER_MESSAGE = 16
/** Sets that a node names when it meets another; with every meeting others, so that in the end all are named. */
export const MAX_SETS_PER_HELLO = 64
/** Survivor sets of all questions to the datasets of one committee: what a retiring member lists. */
export const MAX_RETIREMENT_SETS = 65_536
