/** Error reasons of access logs that CloudWatch's metrics tell apart, as ALB's guide lists them. */

/** ELBAuthFailure: the identity provider, or a value that is not what it was made. */
export const AUTH_FAILURES: ReadonlySet<string> = new Set([
  'AuthInvalidCookie',
  'AuthInvalidGrantError',
  'AuthInvalidIdToken',
  'AuthInvalidStateParam',
  'AuthInvalidTokenResponse',
  'AuthInvalidUserinfoResponse',
  'AuthMissingCodeParam',
  'AuthMissingStateParam',
])

/** ELBAuthError: it could not be carried out. */
export const AUTH_ERRORS: ReadonlySet<string> = new Set([
  'AuthMissingHostHeader',
  'AuthTokenEpRequestFailed',
  'AuthTokenEpRequestTimeout',
  'AuthUnhandledException',
  'AuthUserinfoEpRequestFailed',
  'AuthUserinfoEpRequestTimeout',
])

/** LambdaInternalError; every other reason of a function is a LambdaUserError. */
export const LAMBDA_INTERNAL_ERRORS: ReadonlySet<string> = new Set([
  'LambdaConnectionTimeout',
  'LambdaServiceException',
  'LambdaUnhandledException',
])

/** Faults of Lambda's Invoke that have a reason of their own: `Lambda` and the fault's name. */
export const LAMBDA_INVOKE_FAULTS: ReadonlySet<string> = new Set([
  'EC2AccessDeniedException',
  'EC2ThrottledException',
  'EC2UnexpectedException',
  'ENILimitReachedException',
  'InvalidRuntimeException',
  'InvalidSecurityGroupIDException',
  'InvalidSubnetIDException',
  'InvalidZipFileException',
  'KMSAccessDeniedException',
  'KMSDisabledException',
  'KMSInvalidStateException',
  'KMSNotFoundException',
  'ServiceException',
  'SubnetIPAddressLimitReachedException',
])
