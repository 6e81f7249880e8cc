/** How far a job is, at one node. */
export type JobStatus =
  | 'announced'
  | 'waiting' // for the operator's approval
  | 'approved'
  | 'refused'
  | 'preparing'
  | 'submitted'
  | 'released'
  | 'suppressed'
  | 'failed'
  | 'expired'
  | 'cancelled'
