import { askRunning } from '../admin-client.ts'
import { command } from '../command.ts'
import { print, usageError } from '../output.ts'
import { ADMIN_URL_FLAG, JSON_FLAG } from '../settings.ts'

const KINDS = ['task', 'lb']

export default command({
  name: 'logs',
  summary: 'Prints what a task of a running kecs wrote, or who called a load balancer.',
  positionals: [
    { name: 'KIND', about: 'What wrote it: task, or lb for the access log of a load balancer.' },
    { name: 'NAME', about: 'Its id or ARN; of a load balancer its name, ARN or DNS name.' },
  ],
  flags: [
    { name: 'follow', short: 'f', about: 'Go on with new lines until the task ends.' },
    { name: 'tail', value: 'LINES', about: 'Only the last so many lines of what is there.' },
    { name: 'container', value: 'NAME', about: 'Only of this container.' },
    JSON_FLAG,
    ADMIN_URL_FLAG,
  ],
  examples: [
    ['All that a task wrote', 'kecs logs task 0123456789abcdef0123456789abcdef'],
    ['The last lines, and those that follow', 'kecs logs task "$ARN" --tail 20 -f'],
    ['Requests to a load balancer, as they come', 'kecs logs lb my-alb -f'],
  ],
  notes: [
    'Tasks of the simulated runtime run nothing and write nothing.',
    "Lines of load balancers are in AWS's format; the last 1,000 of each are kept in memory.",
  ],
  async run(values) {
    const [kind = '', name = ''] = values.positionals
    if (!KINDS.includes(kind)) {
      throw usageError(
        `there are no logs of ${JSON.stringify(kind)}.`,
        `There are those of ${KINDS.join(' and ')}.`,
        `kecs logs ${KINDS[0]} NAME`,
      )
    }
    const query = new URLSearchParams()
    for (const flag of ['container', 'tail']) {
      const text = values.text(flag)
      if (text !== undefined) query.set(flag, text)
    }
    if (values.has('follow')) query.set('follow', '1')
    const asJson = values.has('json')
    const path = `/logs/${kind}/${encodeURIComponent(name)}?${query}`
    await askRunning(values.text('admin-url'), (admin) =>
      admin.lines(path, (text) => print(asJson ? `${text}\n` : lineOf(JSON.parse(text)))),
    )
  },
})

interface Line {
  readonly container?: string
  readonly line: string
}

function lineOf({ container, line }: Line): string {
  return container === undefined ? `${line}\n` : `${container} | ${line}\n`
}
