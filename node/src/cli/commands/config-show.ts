/** `flamesh config show`: every setting, its value and where that comes from. */
import { SETTING_NAMES, SETTINGS } from '../../config/settings.js'
import type { CommandContext } from '../context.js'
import { renderTable } from '../table.js'

export async function configShow(context: CommandContext): Promise<undefined> {
  const { sources } = context.config()
  context.out.result({ dir: context.folder.dir, settings: sources }, () => {
    const rows = SETTING_NAMES.map((name) => {
      const { value, source } = sources[name]
      return [name, Array.isArray(value) ? value.join(', ') : String(value), source, SETTINGS[name].environment]
    })
    return renderTable(
      ['setting', 'value', 'from', 'environment variable'].map((title) => ({ title })),
      rows,
    )
  })
}
