/** Tags of any ELBv2 resource, by AWS's rules. */
import type { Tag } from '@aws-sdk/client-elastic-load-balancing-v2'
import { fault, validationError } from './faults.ts'

export const MAX_TAGS = 50

/**
 * The tags as they will be stored; TooManyTags, DuplicateTagKeys or ValidationError where AWS
 * refuses them. Lengths and characters are checked by the API model before any handler runs.
 */
export function checkedTags(tags: readonly Tag[] | undefined): readonly Tag[] {
  const seen = new Set<string>()
  const checked: Tag[] = []
  for (const { Key = '', Value = '' } of tags ?? []) {
    checkUnreserved(Key)
    if (seen.has(Key)) {
      throw fault('DuplicateTagKeysException', `Tag key '${Key}' was specified more than once`)
    }
    seen.add(Key)
    checked.push({ Key, Value })
  }
  checkCount(checked.length)
  return checked
}

/** `tags` with `more` put over them. */
export function mergedTags(tags: readonly Tag[], more: readonly Tag[]): readonly Tag[] {
  const merged = new Map(tags.map((tag) => [tag.Key, tag]))
  for (const tag of more) merged.set(tag.Key, tag)
  checkCount(merged.size)
  return [...merged.values()]
}

/** Nobody sets or takes away tags that AWS gives by itself. */
export function checkUnreserved(key: string): void {
  if (/^aws:/i.test(key)) {
    throw validationError('Tag keys that begin with "aws:" are reserved for system use')
  }
}

function checkCount(count: number): void {
  if (count > MAX_TAGS) {
    throw fault('TooManyTagsException', `A resource can have up to ${MAX_TAGS} tags`)
  }
}
