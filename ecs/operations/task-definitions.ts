import type * as sdk from '@aws-sdk/client-ecs'
import { arnOf, parseArn, type Scope } from '../../gateway/core/arn.ts'
import { pageOfSorted } from '../../gateway/core/page.ts'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import type { EcsContext } from '../context.ts'
import {
  clientException,
  invalidParameter,
  invalidToken,
  taskDefinitionNotFound,
} from '../faults.ts'
import { compatibilitiesOf, requiresAttributesOf } from '../requires-attributes.ts'
import { ownRow } from '../resolve.ts'
import { type EcsRows, familyOf, indexKey, type TaskDefinitionRow, type Wire } from '../rows.ts'
import { checkedTags } from '../tags.ts'
import { normaliseTaskDefinition } from '../task-definition-rules/normalise.ts'

type View = Wire<sdk.TaskDefinition>

const MAX_PAGE = 100
const MAX_DELETED = 10

/** Handlers of task definitions, their revisions and families. */
export function taskDefinitionHandlers(context: EcsContext): Record<string, Handler> {
  const { rows, clock } = context

  function register(input: sdk.RegisterTaskDefinitionCommandInput, call: Call) {
    const tags = checkedTags(input.tags)
    const body = normaliseTaskDefinition(input)
    const family = body.family ?? ''
    const familyArn = arnOf('ecs', call, `task-definition/${family}`)
    const revision = (rows.families.get(familyArn)?.lastRevision ?? 0) + 1
    const { account, region } = call
    rows.families.put(familyArn, {
      arn: familyArn,
      account,
      region,
      family,
      lastRevision: revision,
    })
    const row: TaskDefinitionRow = {
      arn: `${familyArn}:${revision}`,
      account,
      region,
      family,
      revision,
      status: 'ACTIVE',
      body,
      requiresAttributes: requiresAttributesOf(body),
      compatibilities: compatibilitiesOf(body),
      registeredAtMs: clock.now(),
      registeredBy: arnOf('iam', { account, region: '' }, 'root'),
      tags,
    }
    rows.taskDefinitions.put(row.arn, row)
    return { taskDefinition: view(row), tags: tags.length > 0 ? tags : undefined }
  }

  function describe(input: sdk.DescribeTaskDefinitionCommandInput, call: Call) {
    const row = findTaskDefinition(rows, call, input.taskDefinition)
    if (!row) throw taskDefinitionNotFound()
    const tags = (input.include ?? []).includes('TAGS') ? row.tags : []
    return { taskDefinition: view(row), tags }
  }

  function deregister(input: sdk.DeregisterTaskDefinitionCommandInput, call: Call) {
    const row = byRevision(call, input.taskDefinition ?? '')
    if (!row) throw clientException('The specified task definition does not exist.')
    if (row.status !== 'ACTIVE') return { taskDefinition: view(row) }
    const next: TaskDefinitionRow = {
      ...row,
      status: 'INACTIVE',
      deregisteredAtMs: clock.now(),
    }
    rows.taskDefinitions.put(row.arn, next)
    return { taskDefinition: view(next) }
  }

  function remove(input: sdk.DeleteTaskDefinitionsCommandInput, call: Call) {
    const references = input.taskDefinitions ?? []
    if (references.length === 0 || references.length > MAX_DELETED) {
      throw invalidParameter(`taskDefinitions must have 1 to ${MAX_DELETED} elements.`)
    }
    const taskDefinitions: View[] = []
    const failures: sdk.Failure[] = []
    for (const reference of references) {
      const row = byRevision(call, reference)
      if (!row) {
        const reason = 'The specified task definition does not exist.'
        failures.push({ arn: arnFor(call, reference), reason })
      } else if (row.status === 'ACTIVE') {
        const reason =
          'The specified task definition is still in ACTIVE status. Please deregister the target and try again.'
        failures.push({ arn: row.arn, reason })
      } else {
        const next: TaskDefinitionRow = {
          ...row,
          status: 'DELETE_IN_PROGRESS',
          deleteRequestedAtMs: row.deleteRequestedAtMs ?? clock.now(),
        }
        rows.taskDefinitions.put(row.arn, next)
        taskDefinitions.push(view(next))
      }
    }
    return { taskDefinitions, failures }
  }

  function list(input: sdk.ListTaskDefinitionsCommandInput, call: Call) {
    const status = input.status ?? 'ACTIVE'
    const arns: string[] = []
    for (const row of candidates(call, input.familyPrefix)) {
      if (row.status === status) arns.push(row.arn)
    }
    const sign = input.sort === 'DESC' ? -1 : 1
    const order = (left: string, right: string) => sign * byFamilyAndRevision(left, right)
    const page = sortedPage(arns, input, order)
    return { taskDefinitionArns: page.rows, nextToken: page.nextToken }
  }

  function listFamilies(input: sdk.ListTaskDefinitionFamiliesCommandInput, call: Call) {
    const status = input.status ?? 'ACTIVE'
    const families: string[] = []
    for (const { family } of rows.families.by('scope', indexKey(call.account, call.region))) {
      if (input.familyPrefix && !family.startsWith(input.familyPrefix)) continue
      if (hasStatus(call, family, status)) families.push(family)
    }
    const page = sortedPage(families, input, byText)
    return { families: page.rows, nextToken: page.nextToken }
  }

  /** A family is ACTIVE while one of its revisions is, and INACTIVE when only inactive ones are left. */
  function hasStatus(call: Call, family: string, status: string): boolean {
    const count = (of: string) =>
      rows.taskDefinitions.by('familyStatus', indexKey(call.account, call.region, family, of)).size
    const active = count('ACTIVE') > 0
    if (status === 'ACTIVE') return active
    const inactive = !active && count('INACTIVE') > 0
    return status === 'INACTIVE' ? inactive : active || inactive
  }

  function candidates(call: Call, family: string | undefined): Iterable<TaskDefinitionRow> {
    const { account, region } = call
    if (family) return rows.taskDefinitions.by('family', indexKey(account, region, family))
    return rows.taskDefinitions.by('scope', indexKey(account, region))
  }

  function byRevision(call: Call, reference: string): TaskDefinitionRow | undefined {
    const arn = arnFor(call, reference)
    if (!/:\d+$/.test(arn)) throw clientException('Revision is missing.')
    return ownRow(rows.taskDefinitions.get(arn), call)
  }

  return {
    RegisterTaskDefinition: register,
    DescribeTaskDefinition: describe,
    DeregisterTaskDefinition: deregister,
    DeleteTaskDefinitions: remove,
    ListTaskDefinitions: list,
    ListTaskDefinitionFamilies: listFamilies,
  }
}

/** By ARN, `family:revision`, or `family` (its latest ACTIVE revision); undefined when unknown. */
export function findTaskDefinition(
  rows: EcsRows,
  scope: Scope,
  reference: string | undefined,
): TaskDefinitionRow | undefined {
  if (!reference) throw clientException('TaskDefinition can not be blank.')
  const arn = arnFor(scope, reference)
  if (/:\d+$/.test(arn)) return ownRow(rows.taskDefinitions.get(arn), scope)
  for (let revision = rows.families.get(arn)?.lastRevision ?? 0; revision > 0; revision--) {
    const row = ownRow(rows.taskDefinitions.get(`${arn}:${revision}`), scope)
    if (row?.status === 'ACTIVE') return row
  }
  return undefined
}

/** The definition new tasks start from: it has to be ACTIVE. */
export function startableTaskDefinition(
  rows: EcsRows,
  scope: Scope,
  reference: string | undefined,
): TaskDefinitionRow {
  const row = findTaskDefinition(rows, scope, reference)
  if (!row) throw clientException('TaskDefinition not found.')
  if (row.status !== 'ACTIVE') throw clientException('TaskDefinition is inactive')
  return row
}

function arnFor(scope: Scope, reference: string): string {
  if (!reference.startsWith('arn:')) return arnOf('ecs', scope, `task-definition/${reference}`)
  if (!parseArn(reference)?.resource.startsWith('task-definition/')) {
    throw clientException('Invalid identifier: Identifier is not for a task definition.')
  }
  return reference
}

function sortedPage(
  values: string[],
  input: { maxResults?: number | undefined; nextToken?: string | undefined },
  order: (left: string, right: string) => number,
) {
  const limit = input.maxResults ?? MAX_PAGE
  if (limit < 1 || limit > MAX_PAGE) {
    throw invalidParameter(`maxResults must be between 1 and ${MAX_PAGE}, but was ${limit}.`)
  }
  const page = pageOfSorted(values.sort(order), limit, input.nextToken || undefined, order)
  if (!page) throw invalidToken()
  return page
}

function byText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}

// Revision 10 comes after revision 2.
function byFamilyAndRevision(left: string, right: string): number {
  return byText(familyOf(left), familyOf(right)) || revisionOf(left) - revisionOf(right)
}

function revisionOf(arn: string): number {
  return Number(arn.slice(arn.lastIndexOf(':') + 1))
}

function view(row: TaskDefinitionRow): View {
  return {
    taskDefinitionArn: row.arn,
    ...row.body,
    revision: row.revision,
    status: row.status,
    requiresAttributes: [...row.requiresAttributes],
    compatibilities: [...row.compatibilities] as sdk.Compatibility[],
    registeredAt: row.registeredAtMs / 1000,
    deregisteredAt: row.deregisteredAtMs && row.deregisteredAtMs / 1000,
    registeredBy: row.registeredBy,
    deleteRequestedAt: row.deleteRequestedAtMs && row.deleteRequestedAtMs / 1000,
  }
}
