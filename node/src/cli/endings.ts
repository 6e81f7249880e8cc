/** Why a job ended without a result, in words. Codes are those of docs/reference/errors.md, "How a job ends". */
const ENDINGS: Readonly<Record<string, string>> = {
  'cohort-below-minimum': 'fewer organisations approved in time than the job asks for',
  'too-few-submissions': 'too many sites vanished after they had approved',
  'pinned-site-left': 'a site that a pausing job cannot do without withdrew',
  guard: 'together with an earlier result this one would have told too much about single sites',
  cancelled: 'the researcher cancelled it',
  'small-cell': 'a count is below the smallest cell that may be released',
  'too-few-contributors': 'too few sites had enough rows',
  'too-many-parameters': 'there are too many parameters for the rows or events',
  singular: 'the columns determine each other: the estimates are not defined',
  separation: 'a column separates the outcome perfectly: an estimate is infinite',
  'not-converged': 'the iterations did not converge',
  'perfect-fit': 'the model fits every row exactly',
  'reduce-differs':
    'the image writes other bytes on each member of the committee: what it computes must not depend on chance or on the machine',
  'implausible-sum': 'the sum cannot come from honest sites: a site sent something outside its bounds',
}

export function explain(code: string | undefined): string | undefined {
  return code === undefined ? undefined : ENDINGS[code]
}
