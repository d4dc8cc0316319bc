import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createNetworkLookup } from '../../bin/network-lookup.ts'
import { AwsFault } from '../../gateway/core/fault.ts'
import { silentLogger } from '../../gateway/core/log.ts'

const SCOPE = { account: '123456789012', region: 'eu-west-1' }
const SUBNETS = `<DescribeSubnetsResponse><subnetSet>
  <item><subnetId>subnet-a</subnetId><vpcId>vpc-1</vpcId><availabilityZone>eu-west-1a</availabilityZone>
    <tagSet><item><key>k</key><value>v</value></item></tagSet></item>
  <item><subnetId>subnet-b</subnetId><vpcId>vpc-1</vpcId><availabilityZone>eu-west-1b</availabilityZone></item>
</subnetSet></DescribeSubnetsResponse>`
const GROUPS =
  '<DescribeSecurityGroupsResponse><securityGroupInfo/></DescribeSecurityGroupsResponse>'

interface Seen {
  readonly form: URLSearchParams
  readonly head: IncomingMessage['headers']
}
type Reply = (action: string) => { readonly status: number; readonly body: string }

/** Runs `during` with a server that answers as EC2 would. */
async function withEc2(reply: Reply, during: (url: string, seen: Seen[]) => Promise<void>) {
  const seen: Seen[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (chunk: string) => {
      text += chunk
    })
    request.on('end', () => {
      const form = new URLSearchParams(text)
      seen.push({ form, head: request.headers })
      const { status, body } = reply(form.get('Action') ?? '')
      response.writeHead(status, { connection: 'close' }).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await during(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen)
  } finally {
    await new Promise((resolve) => server.close(resolve))
  }
}

const known: Reply = (action) => ({
  status: 200,
  body: action === 'DescribeSubnets' ? SUBNETS : GROUPS,
})

const refused = (code: string, message: string) => ({
  status: 400,
  body: `<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors></Response>`,
})

async function faultOf(work: Promise<unknown>): Promise<AwsFault> {
  try {
    await work
  } catch (thrown) {
    if (thrown instanceof AwsFault) return thrown
    throw thrown
  }
  throw new Error('no fault')
}

test('createNetworkLookup: subnets are told with their VPC and zone, asked in the caller’s scope', () =>
  withEc2(known, async (url, seen) => {
    const lookup = createNetworkLookup(url, silentLogger)
    assert.equal(await lookup(SCOPE, ['subnet-a', 'subnet-b', 'subnet-a'], []), {
      subnets: [
        { subnetId: 'subnet-a', vpcId: 'vpc-1', availabilityZone: 'eu-west-1a' },
        { subnetId: 'subnet-b', vpcId: 'vpc-1', availabilityZone: 'eu-west-1b' },
      ],
    })
    assert.is(seen.length, 1)
    assert.equal(Object.fromEntries(seen[0]?.form ?? []), {
      Action: 'DescribeSubnets',
      Version: '2016-11-15',
      'SubnetId.1': 'subnet-a',
      'SubnetId.2': 'subnet-b',
    })
    assert.match(
      seen[0]?.head.authorization ?? '',
      /Credential=123456789012\/\d+\/eu-west-1\/ec2\//,
    )
  }))

test('createNetworkLookup: an unknown subnet is refused as ECS refuses it', () =>
  withEc2(
    () => refused('InvalidSubnetID.NotFound', "The subnet ID 'subnet-x' does not exist"),
    async (url) => {
      const lookup = createNetworkLookup(url, silentLogger)
      const fault = await faultOf(Promise.resolve(lookup(SCOPE, ['subnet-x'], [])))
      assert.is(fault.code, 'InvalidParameterException')
      assert.is(
        fault.message,
        "Error retrieving subnet information for [subnet-x]: The subnet ID 'subnet-x' does not exist (ErrorCode: InvalidSubnetID.NotFound)",
      )
    },
  ))

test('createNetworkLookup: an unknown security group is refused, though its subnets are known', () =>
  withEc2(
    (action) =>
      action === 'DescribeSubnets'
        ? known(action)
        : refused('InvalidGroup.NotFound', "The security group 'sg-x' does not exist"),
    async (url) => {
      const lookup = createNetworkLookup(url, silentLogger)
      const fault = await faultOf(Promise.resolve(lookup(SCOPE, ['subnet-a'], ['sg-x'])))
      assert.match(fault.message, /security group information for \[sg-x\]/)
    },
  ))

test('createNetworkLookup: ids are taken as given where no EC2 answers', async () => {
  const others: Reply[] = [
    () => ({ status: 501, body: '{"message":"no such service"}' }),
    () => ({ status: 200, body: '<html>' }),
    () => refused('AuthFailure', 'no'),
  ]
  for (const reply of others) {
    await withEc2(reply, async (url) => {
      const lookup = createNetworkLookup(url, silentLogger)
      assert.is(await lookup(SCOPE, ['subnet-a'], ['sg-a']), undefined)
    })
  }
  const nobody = createNetworkLookup('http://127.0.0.1:1', silentLogger)
  assert.is(await nobody(SCOPE, ['subnet-a'], []), undefined)
  assert.is(createNetworkLookup(undefined, silentLogger)(SCOPE, ['subnet-a'], []), undefined)
})

test.run()
