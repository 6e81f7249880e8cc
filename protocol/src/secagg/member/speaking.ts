/** Whether a member may sign anything new in a job. Implements docs/spec/secure-aggregation.md, "Restored nodes". */
import { type Voice, voiceIn } from '../voice.js'
import type { Turn } from './state.js'

export const voice = ({ jobId, job, seats, context, profile }: Turn): Voice =>
  voiceIn(jobId, job, seats, context, profile.quorum - 1)

export const maySign = (turn: Turn): boolean => voice(turn) === 'free'
