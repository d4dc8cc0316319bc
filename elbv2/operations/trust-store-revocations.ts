import type * as sdk from '@aws-sdk/client-elastic-load-balancing-v2'
import type { Call, Handler } from '../../gateway/core/provider.ts'
import { revokedSerials } from '../certificates.ts'
import type { Elbv2Context } from '../context.ts'
import { fault, validationError } from '../faults.ts'
import { findTrustStore, sortedPage } from '../resolve.ts'
import type { ObjectPlace, Revocation, TrustStoreRow } from '../rows.ts'
import { locationOf, readObject } from '../s3.ts'

// AWS's quotas.
const MAX_REVOKED_ENTRIES = 500_000
const MAX_LIST_BYTES = 50 * 1024 * 1024

type NewRevocation = Omit<Revocation, 'revocationId'>

/** Certificate revocation lists of trust stores, read from the backend's S3. */
export function trustStoreRevocationHandlers(context: Elbv2Context): Record<string, Handler> {
  const { rows, store } = context

  async function add(input: sdk.AddTrustStoreRevocationsCommandInput, call: Call) {
    const { arn } = findTrustStore(rows, call, input.TrustStoreArn)
    const contents = input.RevocationContents ?? []
    if (contents.length === 0) throw validationError('At least one revocation must be specified')
    const read: NewRevocation[] = []
    for (const content of contents) read.push(await readList(call, content))
    return store.transact(() => {
      const row = findTrustStore(rows, call, arn)
      const added = read.map((each, index) => ({
        revocationId: row.nextRevocationId + index,
        ...each,
      }))
      const revocations = [...row.revocations, ...added]
      checkEntries(revocations)
      const nextRevocationId = row.nextRevocationId + added.length
      rows.trustStores.put(arn, { ...row, revocations, nextRevocationId })
      return { TrustStoreRevocations: added.map((each) => view(arn, each)) }
    })
  }

  async function readList(call: Call, content: sdk.RevocationContent): Promise<NewRevocation> {
    const { S3Bucket: bucket, S3Key: key, S3ObjectVersion: version } = content
    if (!bucket || !key) throw validationError('A revocation must have an S3 bucket and an S3 key')
    const place: ObjectPlace = { bucket, key, ...(version !== undefined && { version }) }
    const object = await readObject(context, call, place)
    if (!object) {
      throw fault(
        'RevocationContentNotFoundException',
        `The revocation content 's3://${bucket}/${key}' was not found`,
      )
    }
    const serials = object.body.length > MAX_LIST_BYTES ? undefined : revokedSerials(object.body)
    if (serials === undefined) {
      throw fault(
        'InvalidRevocationContentException',
        `The revocation content 's3://${bucket}/${key}' is in an invalid format, or corrupt`,
      )
    }
    return {
      type: 'CRL',
      source: object.place,
      numberOfRevokedEntries: serials.length,
      content: object.body.toString('base64'),
      serials,
    }
  }

  function remove(input: sdk.RemoveTrustStoreRevocationsCommandInput, call: Call) {
    const row = findTrustStore(rows, call, input.TrustStoreArn)
    const gone = new Set(checkedIds(row, input.RevocationIds))
    const revocations = row.revocations.filter(({ revocationId }) => !gone.has(revocationId))
    rows.trustStores.put(row.arn, { ...row, revocations })
    return {}
  }

  function describe(input: sdk.DescribeTrustStoreRevocationsCommandInput, call: Call) {
    const row = findTrustStore(rows, call, input.TrustStoreArn)
    const wanted = new Set(checkedIds(row, input.RevocationIds))
    const found = row.revocations.filter(
      ({ revocationId }) => wanted.size === 0 || wanted.has(revocationId),
    )
    const page = sortedPage(
      found.map(({ revocationId }) => String(revocationId)),
      input,
      (left, right) => Number(left) - Number(right),
    )
    const shown = new Set(page.rows.map(Number))
    return {
      TrustStoreRevocations: found
        .filter(({ revocationId }) => shown.has(revocationId))
        .map((each) => view(row.arn, each)),
      NextMarker: page.nextToken,
    }
  }

  function getContent(input: sdk.GetTrustStoreRevocationContentCommandInput, call: Call) {
    const row = findTrustStore(rows, call, input.TrustStoreArn)
    const [id] = checkedIds(row, [input.RevocationId ?? 0])
    const found = row.revocations.find(({ revocationId }) => revocationId === id)
    return { Location: found && locationOf(context, call, found.source) }
  }

  return {
    AddTrustStoreRevocations: add,
    RemoveTrustStoreRevocations: remove,
    DescribeTrustStoreRevocations: describe,
    GetTrustStoreRevocationContent: getContent,
  }
}

function checkEntries(revocations: readonly Revocation[]): void {
  const entries = revocations.reduce((sum, each) => sum + each.numberOfRevokedEntries, 0)
  if (entries > MAX_REVOKED_ENTRIES) {
    throw fault(
      'TooManyTrustStoreRevocationEntriesException',
      `A trust store can have up to ${MAX_REVOKED_ENTRIES} revoked entries`,
    )
  }
}

function checkedIds(row: TrustStoreRow, ids: readonly number[] = []): readonly number[] {
  const known = new Set(row.revocations.map(({ revocationId }) => revocationId))
  const unknown = ids.find((id) => !known.has(id))
  if (unknown !== undefined) {
    throw fault('RevocationIdNotFoundException', `Revocation ID '${unknown}' not found`)
  }
  return ids
}

function view(TrustStoreArn: string, row: Revocation): sdk.TrustStoreRevocation {
  return {
    TrustStoreArn,
    RevocationId: row.revocationId,
    RevocationType: row.type,
    NumberOfRevokedEntries: row.numberOfRevokedEntries,
  }
}
