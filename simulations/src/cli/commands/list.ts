/** `flamesh-sim list`: the scenarios that need no path, and the question each answers. */
import { loadScenario, shippedNames } from '../../scenarios/shipped.js'

export function list({ json }: { readonly json?: true }): void {
  const scenarios = shippedNames().map((name) => ({ name, question: loadScenario(name).scenario.question }))
  const width = Math.max(...scenarios.map(({ name }) => name.length))
  const text = scenarios.map(({ name, question }) => `${name.padEnd(width)}  ${question}`).join('\n')
  process.stdout.write(`${json ? JSON.stringify({ scenarios }) : text}\n`)
}
