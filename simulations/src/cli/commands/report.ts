/** `flamesh-sim report`: the page of a result, made anew from its files. */
import { writeReport } from '../../report/index.js'

export async function report(folder: string, { json }: { readonly json?: true }): Promise<void> {
  const file = await writeReport(folder)
  process.stdout.write(`${json ? JSON.stringify({ report: file }) : file}\n`)
}
