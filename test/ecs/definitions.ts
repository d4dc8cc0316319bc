/** Small valid task definitions for tests, and how tests say what is accepted and what refused. */
import type { ContainerDefinition, RegisterTaskDefinitionRequest } from '@aws-sdk/client-ecs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { normaliseTaskDefinition } from '../../ecs/task-definition-rules/normalise.ts'
import { AwsFault } from '../../gateway/core/fault.ts'

type Request = RegisterTaskDefinitionRequest

export const ROLE = 'arn:aws:iam::123456789012:role/execution'
export const ECR = '123456789012.dkr.ecr.us-east-1.amazonaws.com/web:1'

export function web(change: Partial<ContainerDefinition> = {}): ContainerDefinition {
  return { name: 'web', image: 'nginx:1.27', memory: 128, ...change }
}

/** For EC2, network mode left open. */
export function ec2(change: Partial<Request> = {}): Request {
  return { family: 'site', containerDefinitions: [web()], ...change }
}

/** For EC2 with these containers. */
export function withContainers(...containerDefinitions: ContainerDefinition[]): Request {
  return ec2({ containerDefinitions })
}

export function fargate(change: Partial<Request> = {}): Request {
  const { containerDefinitions } = ec2()
  return {
    family: 'site',
    networkMode: 'awsvpc',
    requiresCompatibilities: ['FARGATE'],
    cpu: '256',
    memory: '512',
    containerDefinitions,
    ...change,
  }
}

/** For Fargate with one container. */
export function fargateWith(change: Partial<ContainerDefinition>): Request {
  return fargate({ containerDefinitions: [web(change)] })
}

/** The fault that `work` throws; fails where it throws none or something else. */
export function faultOf(work: () => unknown): AwsFault {
  try {
    work()
  } catch (thrown) {
    if (thrown instanceof AwsFault) return thrown
    throw thrown
  }
  return assert.unreachable('nothing was thrown') as never
}

/** One test a row: a definition that is accepted, or one that is refused and AWS's words for it. */
export function rule(
  name: string,
  rows: readonly (readonly [what: string, definition: Request, fault?: string])[],
): void {
  for (const [what, definition, fault] of rows) {
    test(`${name}: ${fault === undefined ? 'accepts' : 'refuses'} ${what}`, () => {
      if (fault === undefined) {
        normaliseTaskDefinition(definition)
        return
      }
      const thrown = faultOf(() => normaliseTaskDefinition(definition))
      assert.is(thrown.message, fault)
      assert.is(thrown.code, 'ClientException')
      assert.is(thrown.status, 400)
    })
  }
}
