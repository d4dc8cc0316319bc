/** Run as a process of its own, so that a test can kill it: `process-owner DIR SPEC`. */
import process from 'node:process'
import { realClock, worldOf } from './process-world.ts'

const [dir = '', spec = '{}'] = process.argv.slice(2)
const { runtime } = worldOf(dir)
await runtime.start([], (state) => console.log(JSON.stringify(state)))
await runtime.run(JSON.parse(spec))
// Keeps this process alive until it is killed.
realClock.after(3_600_000, () => {})
