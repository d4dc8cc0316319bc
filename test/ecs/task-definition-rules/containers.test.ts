import { test } from 'uvu'
import { ec2, ROLE, rule, web, withContainers } from '../definitions.ts'

const LONG = 'x'.repeat(256)

rule('checkFamily', [
  ['letters, digits, hyphens and underscores', ec2({ family: 'My-family_2' })],
  ['255 characters', ec2({ family: LONG.slice(1) })],
  ['an empty name', ec2({ family: '' }), 'Family can not be blank.'],
  ['a dot', ec2({ family: 'a.b' }), 'Family contains invalid characters.'],
  ['a revision', ec2({ family: 'a:1' }), 'Family contains invalid characters.'],
  ['256 characters', ec2({ family: LONG }), 'Family should not be longer than 255 characters.'],
])

rule('checkRoles', [
  ['an ARN with a path', ec2({ taskRoleArn: 'arn:aws:iam::123456789012:role/a/b' })],
  ['a name', ec2({ taskRoleArn: 'worker' })],
  ['another partition', ec2({ executionRoleArn: 'arn:aws-cn:iam::123456789012:role/a' })],
  ['an ARN of something else', ec2({ taskRoleArn: 'arn:aws:s3:::bucket' }), 'Role is not valid'],
  ['an empty role', ec2({ executionRoleArn: '' }), 'Role is not valid'],
])

rule('checkContainers', [
  ['ten containers', withContainers(...several(10))],
  ['none', withContainers(), 'Container list cannot be empty.'],
  ['eleven', withContainers(...several(11)), 'Too many containers.'],
  [
    'a missing name',
    withContainers(web({ name: undefined })),
    'Container.name should not be null or empty.',
  ],
  [
    'a space in a name',
    withContainers(web({ name: 'a b' })),
    'Container.name contains invalid characters.',
  ],
  ['a name of 255 characters', withContainers(web({ name: LONG.slice(1) }))],
  [
    'a name of 256 characters',
    withContainers(web({ name: LONG })),
    'Container.name should not be longer than 255 characters.',
  ],
  [
    'the same name twice',
    withContainers(web(), web()),
    "Container names must be unique within a task definition: 'web' is used more than once.",
  ],
  [
    'a missing image',
    withContainers(web({ image: undefined })),
    'Container.image should not be null or empty.',
  ],
  [
    'a variable left in an image',
    withContainers(web({ image: '$IMAGE:$TAG' })),
    'Container.image contains invalid characters.',
  ],
  ['a digest', withContainers(web({ image: `repo/app@sha256:${'a'.repeat(64)}` }))],
  ['one essential container of two', withContainers(web(), web({ name: 'b', essential: false }))],
  [
    'no essential container',
    withContainers(web({ essential: false })),
    "Task definition doesn't have any essential container.",
  ],
])

const SECRET = { name: 'PASSWORD', valueFrom: '/site/password' }
const FILE = { type: 's3', value: 'arn:aws:s3:::bucket/app.env' } as const

rule('checkEnvironments', [
  [
    'a secret with an execution role',
    ec2({ executionRoleArn: ROLE, containerDefinitions: [web({ secrets: [SECRET] })] }),
  ],
  [
    'a secret without one',
    withContainers(web({ secrets: [SECRET] })),
    "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
  ],
  [
    'a log secret without one',
    withContainers(web({ logConfiguration: { logDriver: 'splunk', secretOptions: [SECRET] } })),
    "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'.",
  ],
  [
    'a secret named as a variable',
    ec2({
      executionRoleArn: ROLE,
      containerDefinitions: [
        web({ secrets: [SECRET], environment: [{ name: 'PASSWORD', value: 'x' }] }),
      ],
    }),
    "The secret name must be unique and not shared with any new or existing environment variables set on the container, such as 'PASSWORD'.",
  ],
  [
    'a secret from an odd parameter',
    ec2({
      executionRoleArn: ROLE,
      containerDefinitions: [web({ secrets: [{ name: 'A', valueFrom: 'what is this' }] })],
    }),
    'The Systems Manager parameter name specified for secret A is invalid. The parameter name can be up to 2048 characters and include the following letters and symbols: a-zA-Z0-9_.-,',
  ],
  ['ten environment files', withContainers(web({ environmentFiles: Array(10).fill(FILE) }))],
  [
    'eleven',
    withContainers(web({ environmentFiles: Array(11).fill(FILE) })),
    'The maximum number of environment files was exceeded. Specify ten or less and try again.',
  ],
  [
    'a file that is no S3 object',
    withContainers(web({ environmentFiles: [{ type: 's3', value: 's3://bucket/app.env' }] })),
    'Invalid arn syntax',
  ],
  [
    'credentials of a registry without an execution role',
    withContainers(web({ repositoryCredentials: { credentialsParameter: 'arn:aws:s' } })),
    'Private repository authentication requires that the task definition specify a value for executionRoleArn.',
  ],
  [
    'credentials of a registry with one',
    ec2({
      executionRoleArn: ROLE,
      containerDefinitions: [web({ repositoryCredentials: { credentialsParameter: 'a' } })],
    }),
  ],
])

rule('checkRestartPolicies', [
  [
    '60 seconds',
    withContainers(web({ restartPolicy: { enabled: true, restartAttemptPeriod: 60 } })),
  ],
  [
    '59 seconds',
    withContainers(web({ restartPolicy: { enabled: true, restartAttemptPeriod: 59 } })),
    "The 'restartAttemptPeriod' setting for container 'web' must be between 60 and 1800.",
  ],
  [
    '50 exit codes',
    withContainers(web({ restartPolicy: { enabled: true, ignoredExitCodes: Array(50).fill(1) } })),
  ],
  [
    '51 exit codes',
    withContainers(web({ restartPolicy: { enabled: true, ignoredExitCodes: Array(51).fill(1) } })),
    "The 'ignoredExitCodes' setting for container 'web' can have at most 50 exit codes.",
  ],
])

function several(count: number) {
  return Array.from({ length: count }, (_, index) => web({ name: `c${index}` }))
}

test.run()
