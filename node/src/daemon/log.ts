/**
 * The daemon's log: one JSON object a line on stderr, an event name and typed fields, never a value from the data.
 * Implements docs/guide/node-operator.md, "The log".
 */
import { pino } from 'pino'
import type { Config } from '../config/settings.js'
import type { Log } from '../log.js'

export function createLog(level: Config['logLevel']): Log {
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'event',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: 2, sync: true }),
  )
  return (severity, event, fields = {}) => logger[severity](fields, event)
}
