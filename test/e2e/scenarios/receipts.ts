/** Receipts, offline: a good one, and each way of tampering. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { Federation } from '../federation.js'
import { approve, assertReleased, submit } from '../jobs.js'

const VERIFICATION_FAILED = 8

export function receipts(federation: () => Federation): void {
  it('a receipt verifies with the hub key alone, and nothing that was altered does', async () => {
    const job = await submit(federation())
    await approve(federation(), job)
    const { receipt, resultFile } = await assertReleased(federation(), job)
    await federation().stopHub()
    await federation().researcher.stop()
    const verify = async (
      receiptFile: string,
      result: string,
      hubKey = federation().hubKey,
    ): Promise<number | null> => {
      const args = ['receipt', 'verify', receiptFile, '--result', result, '--hub-key', hubKey]
      const { exit, stdout } = await federation().researcher.flamesh(...args)
      assert.equal((JSON.parse(stdout) as { verified: boolean }).verified, exit === 0)
      return exit
    }
    const altered = async (file: string, change: (text: string) => string): Promise<string> => {
      const text = await readFile(file, 'utf8')
      assert.notEqual(change(text), text)
      return federation().file('altered.json', change(text))
    }
    const [good, result] = [String(receipt), String(resultFile)]
    assert.equal(await verify(good, result), 0)
    // one character in the middle of the signed objects
    const middle = (text: string): string => {
      const at = text.indexOf('"certificate": "') + 200
      return text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
    }
    assert.equal(await verify(await altered(good, middle), result), VERIFICATION_FAILED)
    const more = (text: string): string => text.replace(/"n": (\d+)/, (_, n: string) => `"n": ${Number(n) + 1}`)
    assert.equal(await verify(good, await altered(result, more)), VERIFICATION_FAILED)
    const otherKey = [...federation().hubKey].reverse().join('')
    assert.equal(await verify(good, result, otherKey), VERIFICATION_FAILED)
  })
}
