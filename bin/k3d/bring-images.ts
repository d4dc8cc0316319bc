import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ProgramFault } from '../../cluster/k3d/program.ts'
import { UserError } from '../output.ts'
import type { Progress } from '../progress.ts'
import type { Deadline } from './deadline.ts'
import { type Instance, NODE_DATA_DIR, PASSING_FOLDER } from './ensure-cluster.ts'
import type { Tools } from './tools.ts'

/** An image that Docker has, by its name and its id. */
export interface Image {
  readonly name: string
  readonly id: string
}

interface Bringing {
  readonly tools: Tools
  readonly progress: Progress
  readonly deadline: Deadline
  readonly signal: AbortSignal
}

const RETRY_MS = 500
const ID_DIGITS = 12

/** What nodes do not have yet is brought; `arriving` is what was begun before. */
export async function bringImages(
  instance: Instance,
  images: readonly Image[],
  arriving: Promise<void>,
  work: Bringing,
): Promise<void> {
  const { tools, progress } = work
  for (const { name, id } of images) {
    const isThere = async () => {
      const { nodes } = instance
      const has = await Promise.all(nodes.map((node) => tools.docker.nodeHasImage(node, name, id)))
      return has.every(Boolean)
    }
    if (await isThere()) {
      progress.kept(`the image ${name} in the cluster`)
      continue
    }
    await progress.step(`bring the image ${name} into the cluster`, async () => {
      await arriving
      if (!(await isThere())) await importImage(instance, name, isThere, work)
    })
    // k3d ends well also where a node refused the image.
    const [node = ''] = instance.nodes
    if (await tools.docker.nodeHasName(node, name)) continue
    throw new UserError(
      `the image ${name} did not get into the cluster.`,
      'k3d imported it, and the node does not list it. The disk of the node may be full.',
      'See kecs doctor, then start it again.',
    )
  }
}

const IMPORTS = 3

/** k3d fails at times when the node has taken all before k3d has sent the last of it, and at others. */
async function importImage(
  instance: Instance,
  name: string,
  isThere: () => Promise<boolean>,
  { tools, deadline }: Bringing,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await tools.k3d.importImages(instance.name, [name], deadline.remaining())
    } catch (error) {
      if (!(error instanceof ProgramFault) || error.trouble !== 'failed') throw error
      if (await isThere()) return
      if (tries === IMPORTS) throw error
    }
  }
}

/**
 * Images go into the first node as soon as it takes any, while the rest of k3s still starts: both take
 * their time. They lie in the data directory for that while, which nodes have: k3d would send them
 * through Docker, at twice the time and three times the work. What does not get there so is brought,
 * and its trouble told, when the cluster is made.
 */
export function bringEarly(
  cluster: string,
  dataDir: string,
  images: readonly Image[],
  { tools: { docker }, deadline, signal }: Bringing,
) {
  const node = `k3d-${cluster}-server-0`
  let isOver = false
  const take = async ({ name, id }: Image, archive: string) => {
    for (;;) {
      try {
        return await docker.importArchive(node, archive, deadline.remaining())
      } catch {
        if (isOver || (await docker.nodeHasImage(node, name, id).catch(() => false))) return
        await sleep(RETRY_MS, undefined, { signal })
      }
    }
  }
  const run = async () => {
    const folder = join(dataDir, PASSING_FOLDER)
    for (const image of images) {
      const { name, id } = image
      if (await docker.nodeHasImage(node, name, id).catch(() => false)) continue
      const archive = `${id.replace(/^sha256:/, '').slice(0, ID_DIGITS)}.tar`
      try {
        await mkdir(folder, { recursive: true })
        await docker.save(name, join(folder, archive), deadline.remaining())
        await take(image, `${NODE_DATA_DIR}/${PASSING_FOLDER}/${archive}`)
      } finally {
        await rm(folder, { recursive: true, force: true })
      }
    }
  }
  return {
    done: run().catch(() => {}),
    /** The cluster is made, or never will be: what fails now is not tried again. */
    over: () => {
      isOver = true
    },
  }
}
