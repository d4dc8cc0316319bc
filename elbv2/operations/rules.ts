import type { Handler } from '../../gateway/core/provider.ts'
import type { Elbv2Context } from '../context.ts'

export function ruleHandlers(_context: Elbv2Context): Record<string, Handler> {
  return {}
}
