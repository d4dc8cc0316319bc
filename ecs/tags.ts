/** Tags of any ECS resource, by AWS's rules. */

import { invalidParameter } from './faults.ts'
import type { Tag } from './rows.ts'

export const MAX_TAGS = 50
const MAX_KEY_LENGTH = 128
const MAX_VALUE_LENGTH = 256

/** The tags as they will be stored; InvalidParameterException where AWS refuses them. */
export function checkedTags(tags: readonly Tag[] | undefined): readonly Tag[] {
  if (!tags) return []
  if (tags.length > MAX_TAGS) {
    throw invalidParameter(`Too many tags: a resource can have up to ${MAX_TAGS} tags.`)
  }
  const seen = new Set<string>()
  for (const { key = '', value = '' } of tags) {
    if (key === '' || key.length > MAX_KEY_LENGTH) {
      throw invalidParameter(`Tag keys have 1 to ${MAX_KEY_LENGTH} characters.`)
    }
    if (value.length > MAX_VALUE_LENGTH) {
      throw invalidParameter(`Tag values have up to ${MAX_VALUE_LENGTH} characters.`)
    }
    if (/^aws:/i.test(key)) {
      throw invalidParameter('Tag keys and values must not start with the reserved prefix aws:.')
    }
    if (seen.has(key)) throw invalidParameter(`Duplicate tag key: ${key}`)
    seen.add(key)
  }
  return tags.map(({ key = '', value = '' }) => ({ key, value }))
}

/** `tags` with `more` put over them. */
export function mergedTags(tags: readonly Tag[], more: readonly Tag[]): readonly Tag[] {
  const merged = new Map(tags.map((tag) => [tag.key, tag]))
  for (const tag of more) merged.set(tag.key, tag)
  if (merged.size > MAX_TAGS) {
    throw invalidParameter(`Too many tags: a resource can have up to ${MAX_TAGS} tags.`)
  }
  return [...merged.values()]
}
