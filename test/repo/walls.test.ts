import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cruise, type ICruiseResult } from 'dependency-cruiser'
import { root } from './files.js'

const config = JSON.parse(readFileSync(new URL('.dependency-cruiser.json', root), 'utf8')) as {
  forbidden: []
  options: { doNotFollow: object; exclude: object; enhancedResolveOptions: object }
}

/** `rule: from → to` of every import that a wall stops. */
async function violations(base: string, folders: readonly string[]): Promise<readonly string[]> {
  const { doNotFollow, exclude, enhancedResolveOptions } = config.options
  const { output } = await cruise(
    [...folders],
    {
      baseDir: base,
      validate: true,
      ruleSet: { forbidden: config.forbidden },
      doNotFollow,
      exclude,
      tsPreCompilationDeps: true,
    },
    enhancedResolveOptions,
  )
  return (output as ICruiseResult).summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)
}

describe('the walls between the packages', () => {
  it('hold', async () => {
    const folders = ['protocol/src', 'node/src', 'hub-registry/src', 'simulations/src']
    assert.deepEqual(await violations(fileURLToPath(root), folders), [])
  }).timeout(60_000)

  it('would stop an import in the wrong direction', async () => {
    const base = mkdtempSync(join(tmpdir(), 'flamesh-walls-'))
    const wrong: Readonly<Record<string, string>> = {
      'protocol/src/clock.ts': "import 'node:timers'\n",
      'protocol/src/crypto/native/file.ts': "import 'node:fs'\nimport 'node:crypto'\n",
      'protocol/src/out.ts': "import '../../node/src/cli/fast.js'\n",
      'node/src/cli/fast.ts': "import '../network/host.js'\nimport '../daemon.js'\n",
      'node/src/network/host.ts': "import '../../../hub-registry/src/hub.js'\n",
      'node/src/daemon.ts': "import './network/host.js'\nimport './ring-a.js'\n",
      'node/src/ring-a.ts': "import './ring-b.js'\n",
      'node/src/ring-b.ts': "import './ring-a.js'\nimport './cli/fast.js'\n",
      'hub-registry/src/hub.ts': "import '../../simulations/src/world.js'\nimport '../../node/src/ring-a.js'\n",
      'simulations/src/world.ts': "import '../../node/src/ring-a.js'\nimport 'nowhere'\n",
    }
    for (const [path, text] of Object.entries(wrong)) {
      mkdirSync(dirname(join(base, path)), { recursive: true })
      writeFileSync(join(base, path), text)
    }
    try {
      const found = await violations(base, ['protocol/src', 'node/src', 'hub-registry/src', 'simulations/src'])
      const names = new Set(found.map((violation) => violation.split(':')[0]))
      const expected = [
        'commands-on-top',
        'daemon-loaded-on-demand',
        'hub-stands-on-protocol-only',
        'native-sees-only-node-crypto',
        'network-only-under-the-daemon',
        'no-circular',
        'node-stands-on-protocol-only',
        'not-resolvable',
        'protocol-is-pure',
        'protocol-sees-no-nodejs-module',
        'simulations-stand-on-protocol-only',
      ]
      assert.deepEqual([...names].sort(), expected)
      assert.ok(!found.some((violation) => violation.includes('→ crypto')), 'node:crypto is allowed in its folder')
    } finally {
      rmSync(base, { recursive: true })
    }
  }).timeout(60_000)
})
