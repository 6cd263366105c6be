/** @module The one error class, its closed list of codes, and the one table from code to HTTP status. */

/**
 * HTTP status by error code. Metadata clients heal from 401 and keep what they hold on 500; every
 * other status makes one of them fall back to IMDSv1, forget its credentials, or give up.
 *
 * @see https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 */
const HTTP_STATUS = {
  ERR_TOKEN_TTL_INVALID: 400,
  ERR_REQUEST_INVALID: 400,
  ERR_TOKEN_INVALID: 401,
  ERR_CALLER_CHANGED: 401,
  ERR_HOST_REFUSED: 403,
  ERR_FORWARDED_REQUEST: 403,
  ERR_CALLER_UNKNOWN: 403,
  ERR_ROLE_UNASSOCIATED: 404,
  ERR_NOT_FOUND: 404,
  ERR_METHOD_NOT_ALLOWED: 405,
  ERR_CALLER_PENDING: 500,
  ERR_POD_STALE: 500,
  ERR_KUBERNETES_DENIED: 500,
  ERR_KUBERNETES_UNAVAILABLE: 500,
  ERR_CREDENTIALS_PENDING: 500,
  ERR_BASE_UNAVAILABLE: 500,
  ERR_BASE_EXPIRED: 500,
  ERR_ROLE_DENIED: 500,
  ERR_STS_THROTTLED: 500,
  ERR_STS_UNAVAILABLE: 500,
  ERR_STS_MALFORMED: 500,
  ERR_CONFIG_INVALID: 500,
  ERR_LISTEN_FAILED: 500,
  ERR_COMMAND_FAILED: 500,
  ERR_USAGE: 500,
  ERR_CLOSED: 500,
} as const satisfies Record<string, number>;

export type CrossroleErrorCode = keyof typeof HTTP_STATUS;

/**
 * Everything crossrole throws on purpose. `message` is one line that says what was wrong, where,
 * and what to do; it never holds a secret, and it is printed as it stands.
 */
export class CrossroleError extends Error {
  override readonly name = "CrossroleError";
  readonly code: CrossroleErrorCode;

  constructor(code: CrossroleErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** The HTTP status that tells a client of `error`: 500 for whatever was not foreseen. */
export function httpStatus(error: unknown): number {
  return error instanceof CrossroleError ? HTTP_STATUS[error.code] : 500;
}

/** What to print of an error that anybody may have thrown: its message, never its fields. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
