/** Entry point of the analysis thread: the built-in analyses, and nothing else (docs/spec/analyses.md). */
import { findAnalysis } from '@flamesh/protocol/analyses/registry.js'
import { serveContributions } from './serve.js'

serveContributions(findAnalysis)
