import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import { countCertificates } from '../certificates.ts'
import type { Elbv2Context } from '../context.ts'
import { fault } from '../faults.ts'
import { newTrustStoreArn } from '../names.ts'
import { byName, findTrustStore, listPage, selector } from '../resolve.ts'
import { indexKey, type ListenerRow, type ObjectPlace, type TrustStoreRow } from '../rows.ts'
import { locationOf, readObject } from '../s3.ts'
import { checkedTags } from '../tags.ts'
import { trustStoreRevocationHandlers } from './trust-store-revocations.ts'

// AWS's quotas, which DescribeAccountLimits does not tell.
const MAX_TRUST_STORES = 20
const MAX_CERTIFICATES = 25

interface BundleInput {
  readonly CaCertificatesBundleS3Bucket: string | undefined
  readonly CaCertificatesBundleS3Key: string | undefined
  readonly CaCertificatesBundleS3ObjectVersion?: string | undefined
}

type Bundle = Pick<TrustStoreRow, 'bundle' | 'numberOfCaCertificates' | 'source'>

/** Trust stores, their revocation lists and who uses them. Bundles are read from the backend's S3. */
export function trustStoreHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, store, clock, ids } = context

  async function create(input: sdk.CreateTrustStoreCommandInput, call: Call) {
    const name = input.Name ?? ''
    const tags = checkedTags(input.Tags)
    checkRoom(call, name)
    const bundle = await readBundle(call, input)
    return store.transact(() => {
      checkRoom(call, name)
      const row: TrustStoreRow = {
        arn: newTrustStoreArn(ids, call, name),
        account: call.account,
        region: call.region,
        name,
        status: 'ACTIVE',
        ...bundle,
        revocations: [],
        nextRevocationId: 1,
        tags,
        createdAtMs: clock.now(),
      }
      rows.trustStores.put(row.arn, row)
      return { TrustStores: [view(row)] }
    })
  }

  function checkRoom(call: Call, name: string): void {
    if (byName(rows.trustStores, call, name)) {
      throw fault(
        'DuplicateTrustStoreNameException',
        `A trust store with the same name '${name}' exists`,
      )
    }
    if (ownStores(call).size >= MAX_TRUST_STORES) {
      throw fault(
        'TooManyTrustStoresException',
        `The maximum number of trust stores has been reached: ${MAX_TRUST_STORES}`,
      )
    }
  }

  async function modify(input: sdk.ModifyTrustStoreCommandInput, call: Call) {
    const { arn } = findTrustStore(rows, call, input.TrustStoreArn)
    const bundle = await readBundle(call, input)
    return store.transact(() => {
      const row = { ...findTrustStore(rows, call, arn), ...bundle }
      rows.trustStores.put(arn, row)
      return { TrustStores: [view(row)] }
    })
  }

  async function readBundle(call: Call, input: BundleInput): Promise<Bundle> {
    const { CaCertificatesBundleS3ObjectVersion: version } = input
    const place: ObjectPlace = {
      bucket: input.CaCertificatesBundleS3Bucket ?? '',
      key: input.CaCertificatesBundleS3Key ?? '',
      ...(version !== undefined && { version }),
    }
    const object = await readObject(context, call, place)
    if (!object) {
      throw fault(
        'CaCertificatesBundleNotFoundException',
        `The CA certificates bundle 's3://${place.bucket}/${place.key}' was not found`,
      )
    }
    const bundle = object.body.toString('utf8')
    const numberOfCaCertificates = countCertificates(bundle)
    if (numberOfCaCertificates === undefined) {
      throw invalidBundle('The CA certificates bundle is in an invalid format, or corrupt')
    }
    if (numberOfCaCertificates > MAX_CERTIFICATES) {
      throw invalidBundle(
        `The CA certificates bundle has more than ${MAX_CERTIFICATES} certificates`,
      )
    }
    return { bundle, numberOfCaCertificates, source: object.place }
  }

  function remove(input: sdk.DeleteTrustStoreCommandInput, call: Call) {
    const { arn } = findTrustStore(rows, call, input.TrustStoreArn)
    for (const listener of ownListeners(call)) {
      if (uses(listener, arn)) {
        throw fault(
          'TrustStoreInUseException',
          `Trust store '${arn}' is currently in use by listener '${listener.arn}'`,
        )
      }
    }
    rows.trustStores.delete(arn)
    return {}
  }

  function describe(input: sdk.DescribeTrustStoresCommandInput, call: Call) {
    const keep = selector('trustStore', rows.trustStores, call, {
      arns: input.TrustStoreArns,
      names: input.Names,
    })
    const page = listPage(ownStores(call), input, keep)
    return { TrustStores: page.rows.map(view), NextMarker: page.nextToken }
  }

  function describeAssociations(input: sdk.DescribeTrustStoreAssociationsCommandInput, call: Call) {
    const { arn } = findTrustStore(rows, call, input.TrustStoreArn)
    const page = listPage(ownListeners(call), input, (listener) => uses(listener, arn))
    return {
      TrustStoreAssociations: page.rows.map(({ arn: ResourceArn }) => ({ ResourceArn })),
      NextMarker: page.nextToken,
    }
  }

  function deleteSharedAssociation(
    input: sdk.DeleteSharedTrustStoreAssociationCommandInput,
    call: Call,
  ): never {
    const { arn } = findTrustStore(rows, call, input.TrustStoreArn)
    const resource = input.ResourceArn ?? ''
    const listener = rows.listeners.get(resource)
    if (listener && uses(listener, arn)) {
      throw fault(
        'DeleteAssociationSameAccountException',
        `The association of '${resource}' is of the trust store's own account: change the listener instead`,
      )
    }
    throw fault(
      'TrustStoreAssociationNotFoundException',
      `The association of '${resource}' with trust store '${arn}' was not found`,
    )
  }

  function getBundle(input: sdk.GetTrustStoreCaCertificatesBundleCommandInput, call: Call) {
    const { source } = findTrustStore(rows, call, input.TrustStoreArn)
    return { Location: locationOf(context, call, source) }
  }

  function ownStores({ account, region }: Call) {
    return rows.trustStores.by('scope', indexKey(account, region))
  }

  function ownListeners({ account, region }: Call) {
    return rows.listeners.by('scope', indexKey(account, region))
  }

  return {
    ...trustStoreRevocationHandlers(context),
    CreateTrustStore: create,
    ModifyTrustStore: modify,
    DeleteTrustStore: remove,
    DescribeTrustStores: describe,
    DescribeTrustStoreAssociations: describeAssociations,
    DeleteSharedTrustStoreAssociation: deleteSharedAssociation,
    GetTrustStoreCaCertificatesBundle: getBundle,
  }
}

function uses({ mutualAuthentication }: ListenerRow, trustStoreArn: string): boolean {
  return mutualAuthentication?.TrustStoreArn === trustStoreArn
}

function invalidBundle(message: string) {
  return fault('InvalidCaCertificatesBundleException', message)
}

function view(row: TrustStoreRow): sdk.TrustStore {
  return {
    Name: row.name,
    TrustStoreArn: row.arn,
    Status: row.status,
    NumberOfCaCertificates: row.numberOfCaCertificates,
    TotalRevokedEntries: row.revocations.reduce(
      (sum, each) => sum + each.numberOfRevokedEntries,
      0,
    ),
  }
}
