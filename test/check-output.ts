import type { Member, ServiceContract } from '../gateway/core/provider.ts'

/** What in an operation's JSON answer is not as the API model has it; empty when all is well. */
export function checkOutput(
  contract: ServiceContract,
  operation: string,
  output: unknown,
): string[] {
  const problems: string[] = []
  const name = contract.operations[operation]?.output
  if (name !== undefined) check({ shape: name }, output, operation)
  return problems

  function check(member: Member, value: unknown, at: string): void {
    const shape = contract.shapes[member.shape]
    const wrong = (expected: string) =>
      problems.push(`${at} is ${JSON.stringify(value)}, not ${expected}`)
    switch (shape?.type) {
      case 'structure': {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) {
          wrong('a structure')
          return
        }
        for (const [key, given] of Object.entries(value)) {
          const known = shape.members?.[key]
          if (known) check(known, given, `${at}.${key}`)
          else problems.push(`${at} has no member ${key}`)
        }
        return
      }
      case 'list':
        if (!Array.isArray(value)) wrong('a list')
        else
          for (const [index, item] of value.entries()) check(shape.member!, item, `${at}[${index}]`)
        return
      case 'map':
        if (typeof value !== 'object' || value === null) wrong('a map')
        else
          for (const [key, item] of Object.entries(value)) check(shape.value!, item, `${at}.${key}`)
        return
      case 'boolean':
        if (typeof value !== 'boolean') wrong('a boolean')
        return
      case 'integer':
      case 'long':
        if (!Number.isInteger(value)) wrong('an integer')
        return
      case 'double':
      case 'float':
      case 'timestamp':
        if (typeof value !== 'number') wrong('a number')
        return
      default:
        if (typeof value !== 'string') wrong('a string')
        else if (shape?.enum && !shape.enum.includes(value))
          wrong(`one of ${shape.enum.join(', ')}`)
    }
  }
}
