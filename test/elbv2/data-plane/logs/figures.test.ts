import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createFigures } from '../../../../elbv2/data-plane/logs/figures.ts'
import type { LiveGroup, LiveTarget, RequestRecord } from '../../../../elbv2/data-plane/model.ts'
import { createMetrics } from '../../../../gateway/metrics.ts'
import { balancerRow, groupOf, listenerOf, recordOf, ruleTo } from '../live.ts'

const figures = suite('figures')

const LB = 'LoadBalancer="app/my-loadbalancer/50dc6c495c0c9188"'
const GROUP = `TargetGroup="targetgroup/my-targets/73e2d6bc24d8a067",${LB}`

/** One load balancer with one group, its figures, and what /metrics says of them. */
class World {
  readonly figures = createFigures()
  readonly metrics = createMetrics()
  readonly row = balancerRow()
  group: LiveGroup
  readonly listener
  readonly byArn
  readonly groups

  constructor(group = groupOf({}, ['10.0.0.1', '10.0.0.2'])) {
    this.group = group
    this.listener = listenerOf(this.row, [ruleTo([groupOf()], 5), ruleTo([group])])
    this.byArn = new Map([[this.row.arn, this.listener.balancer]])
    this.groups = new Map([[group.arn, group]])
    this.figures.register(this.metrics, {
      table: () => ({ byArn: this.byArn, byDnsName: new Map(), byPort: new Map() }),
      group: (arn) => this.groups.get(arn),
    })
  }

  request(changes: Partial<RequestRecord> = {}): void {
    const { listener, group } = this
    const target = { group, target: group.targets[0] as LiveTarget }
    const rule = listener.rules[1]
    this.figures.onRequest(recordOf({ listener, rule, target, ...changes }))
  }

  /** The sample's value; undefined where there is none. */
  value(name: string, labels: string): number | undefined {
    const line = this.metrics.render().split('\n')
    const found = line.find((each) => each.startsWith(`${name}{${labels}} `))
    return found === undefined ? undefined : Number(found.slice(found.lastIndexOf(' ')))
  }
}

figures('tell requests under the names and dimensions of CloudWatch', () => {
  const world = new World()
  world.request()
  world.request({ targetStatus: 503, status: 503, targetProcessingMs: 30 })
  world.request({ targetStatus: 302, status: 302, targetProcessingMs: 700 })
  world.request({ targetStatus: 404, status: 404, targetProcessingMs: 90_000 })
  assert.is(world.value('RequestCount', LB), 4)
  assert.is(world.value('ProcessedBytes', LB), 1600)
  for (const family of ['2XX', '3XX', '4XX', '5XX']) {
    assert.is(world.value(`HTTPCode_Target_${family}_Count`, GROUP), 1, family)
    assert.is(world.value(`HTTPCode_ELB_${family}_Count`, LB), family === '2XX' ? undefined : 0)
  }
  assert.is(world.value('RequestCountPerTarget', GROUP), 2)
  assert.is(world.value('TargetResponseTime_count', GROUP), 4)
  assert.is(world.value('TargetResponseTime_sum', GROUP), 90.731)
  assert.is(world.value('TargetResponseTime_bucket', `${GROUP},le="0.001"`), 1)
  assert.is(world.value('TargetResponseTime_bucket', `${GROUP},le="0.05"`), 2)
  assert.is(world.value('TargetResponseTime_bucket', `${GROUP},le="60"`), 3)
  assert.is(world.value('TargetResponseTime_bucket', `${GROUP},le="+Inf"`), 4)
  assert.match(world.metrics.render(), '# TYPE TargetResponseTime histogram\n')
})

figures(
  'count a target that could not be reached, and no other fault, as a connection error',
  () => {
    const world = new World()
    const failed = { targetStatus: undefined, targetProcessingMs: -1, responseProcessingMs: -1 }
    world.request({ ...failed, status: 502, requestProcessingMs: -1 })
    world.request({ ...failed, status: 504, requestProcessingMs: -1 })
    // The target hung up, did not answer in time, or the client left.
    world.request({ ...failed, status: 502, requestProcessingMs: 1 })
    world.request({ ...failed, status: 504, requestProcessingMs: 1 })
    world.request({ ...failed, status: 460, requestProcessingMs: -1 })
    assert.is(world.value('TargetConnectionErrorCount', GROUP), 2)
  },
)

figures("tell the load balancer's own answers apart from those of targets", () => {
  const world = new World()
  const own = { target: undefined, targetStatus: undefined }
  for (const status of [500, 502, 503, 504, 400]) world.request({ ...own, status })
  world.request({ ...own, status: undefined })
  world.request({ ...own, status: 301, actions: ['redirect'], redirectUrl: 'https://x/' })
  world.request({ ...own, status: 200, actions: ['fixed-response'] })
  assert.is(world.value('RequestCount', LB), 0)
  assert.is(world.value('HTTPCode_ELB_5XX_Count', LB), 4)
  for (const status of [500, 502, 503, 504]) {
    assert.is(world.value(`HTTPCode_ELB_${status}_Count`, LB), 1)
  }
  assert.is(world.value('HTTPCode_ELB_4XX_Count', LB), 2)
  assert.is(world.value('HTTPCode_ELB_3XX_Count', LB), 1)
  assert.is(world.value('HTTP_Redirect_Count', LB), 1)
  assert.is(world.value('HTTP_Fixed_Response_Count', LB), 1)
})

figures('tell rules that were evaluated, IPv6, gRPC, odd requests and authentications', () => {
  const world = new World(groupOf({ protocolVersion: 'GRPC' }))
  world.request()
  world.request({ rule: world.listener.rules[0] })
  world.request({ peer: { sourceIp: '2001:db8::1', sourcePort: 1, protocol: 'http' } })
  world.request({ peer: { sourceIp: '::ffff:10.0.0.1', sourcePort: 1, protocol: 'http' } })
  world.request({ classification: 'Acceptable', classificationReason: 'SpaceInUri' })
  world.request({ actions: ['authenticate', 'forward'] })
  const own = { target: undefined, targetStatus: undefined, status: 401, actions: ['authenticate'] }
  world.request({ ...own, errorReason: 'AuthInvalidCookie' })
  world.request({ ...own, errorReason: 'AuthTokenEpRequestTimeout' })
  assert.is(world.value('RuleEvaluations', LB), 8)
  assert.is(world.value('IPv6RequestCount', LB), 1)
  assert.is(world.value('IPv6ProcessedBytes', LB), 400)
  assert.is(world.value('GrpcRequestCount', LB), 6)
  assert.is(world.value('DesyncMitigationMode_NonCompliant_Request_Count', LB), 1)
  assert.is(world.value('ELBAuthSuccess', LB), 1)
  assert.is(world.value('ELBAuthFailure', LB), 1)
  assert.is(world.value('ELBAuthError', LB), 1)
})

figures('tell failures of functions by whose they are', () => {
  const world = new World(groupOf({ targetType: 'lambda' }))
  const failed = { status: 502, targetStatus: undefined }
  world.request({ ...failed, errorReason: 'LambdaInvalidResponse' })
  world.request({ ...failed, errorReason: 'LambdaServiceException' })
  world.request({ ...failed, errorReason: 'LambdaThrottling' })
  assert.is(world.value('LambdaUserError', GROUP), 2)
  assert.is(world.value('LambdaInternalError', GROUP), 1)
  assert.is(world.value('LambdaTargetProcessedBytes', GROUP), 1200)
  assert.is(world.value('RequestCountPerTarget', GROUP), 0)
})

figures('tell connections; what ends one may be called twice', () => {
  const world = new World()
  const end = world.figures.onConnection(world.row.arn)
  world.figures.onConnection(world.row.arn)
  end()
  end()
  world.figures.onRejectedConnection(world.row.arn)
  world.figures.onTlsError(world.row.arn)
  world.figures.onTargetConnectionError(world.row.arn, world.group.arn)
  assert.is(world.value('NewConnectionCount', LB), 2)
  assert.is(world.value('ActiveConnectionCount', LB), 1)
  assert.is(world.value('RejectedConnectionCount', LB), 1)
  assert.is(world.value('ClientTLSNegotiationErrorCount', LB), 1)
  assert.is(world.value('TargetConnectionErrorCount', GROUP), 1)
  assert.is(world.value('NewFlowCount', LB), undefined)
})

figures('of network load balancers have the names of AWS/NetworkELB', () => {
  const world = new World()
  const row = balancerRow({
    type: 'network',
    arn: world.row.arn.replace('app/my-loadbalancer', 'net/my-nlb'),
  })
  world.byArn.set(row.arn, listenerOf(row, []).balancer)
  world.figures.onConnection(row.arn)
  world.figures.onBytes(row.arn, 1234)
  const net = 'LoadBalancer="net/my-nlb/50dc6c495c0c9188"'
  assert.is(world.value('NewFlowCount', net), 1)
  assert.is(world.value('ActiveFlowCount', net), 1)
  assert.is(world.value('ProcessedBytes', net), 1234)
  assert.is(world.value('NewConnectionCount', net), undefined)
  assert.is(world.value('RequestCount', net), undefined)
})

figures('tell healthy and unhealthy hosts; what is neither counts as neither', () => {
  const world = new World(groupOf({}, ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']))
  const states = ['healthy', 'unhealthy', 'draining', 'initial'] as const
  for (const [i, target] of world.group.targets.entries()) {
    target.health = { state: states[i] ?? 'unused' }
  }
  assert.is(world.value('HealthyHostCount', GROUP), 1)
  assert.is(world.value('UnHealthyHostCount', GROUP), 1)
})

figures('forget load balancers and groups that are gone', () => {
  const world = new World()
  world.request()
  world.groups.clear()
  assert.is(world.value('HTTPCode_Target_2XX_Count', GROUP), undefined)
  assert.is(world.value('RequestCount', LB), 1)
  world.byArn.clear()
  assert.is(world.value('RequestCount', LB), undefined)
  assert.is(world.value('HealthyHostCount', GROUP), undefined)
})

figures.run()
