import { command } from '../command.ts'
import { print, printJson } from '../output.ts'
import { JSON_FLAG } from '../settings.ts'
import { engineOf, versionOf } from '../version.ts'

export default command({
  name: 'version',
  summary: 'Says which kecs this is, and what runs it.',
  flags: [JSON_FLAG],
  examples: [['The version alone', 'kecs --version']],
  notes: [],
  async run(values) {
    const facts = { version: versionOf(), engine: engineOf() }
    if (values.has('json')) return printJson(facts)
    print(`kecs ${facts.version} (${facts.engine})\n`)
  },
})
