/** @module The last gate before the cache: nothing with an empty or malformed field is ever held. */
import { CrossroleError } from "../errors.ts";
import { TemporaryCredentials } from "./types.ts";
import type { BaseCredentials, RoleSession, SigningCredentials } from "./types.ts";

/**
 * An access key id is 16 to 128 word characters.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html
 */
const ACCESS_KEY_ID = /^\w{16,128}$/;

/**
 * Printable ASCII with nothing that JSON would escape and no comma: s3fs cuts the document at commas
 * and s3backer takes an escaped slash as it stands. Real keys and tokens are base64.
 */
const SECRET = /^[!#-+\--[\]-~]+$/;

/** The longest any session of STS lives: 36 hours (GetSessionToken). */
const MAX_LIFE_MS = 36 * 3_600_000;

/**
 * @returns `credentials`, when they can be served.
 * @throws {@link CrossroleError} `ERR_STS_MALFORMED` that names the field and not its value.
 */
export function validateSession(
  credentials: SigningCredentials,
  session: RoleSession,
  nowMs: number,
): TemporaryCredentials {
  const fault = faultIn(credentials, nowMs);
  if (fault === undefined && credentials instanceof TemporaryCredentials) return credentials;
  throw new CrossroleError(
    "ERR_STS_MALFORMED",
    `STS answered AssumeRole of ${session.roleArn} with ${fault ?? "no session token"}; nothing of it is used`,
  );
}

/** The same for base credentials, which need neither a session token nor an expiration. */
export function validateBase(
  credentials: SigningCredentials,
  base: BaseCredentials,
  nowMs: number,
): SigningCredentials {
  const fault = faultIn(credentials, nowMs);
  if (fault === undefined) return credentials;
  throw new CrossroleError(
    "ERR_BASE_UNAVAILABLE",
    `base "${base.name}" (${base.provider.kind}) gave ${fault}; renew it at its source`,
  );
}

function faultIn(credentials: SigningCredentials, nowMs: number): string | undefined {
  if (!ACCESS_KEY_ID.test(credentials.accessKeyId)) return "a malformed AccessKeyId";
  if (!SECRET.test(credentials.secretAccessKey)) return "a malformed SecretAccessKey";
  const { sessionToken, expiration } = credentials;
  if (sessionToken !== undefined && !SECRET.test(sessionToken)) return "a malformed SessionToken";
  if (expiration === undefined) return undefined;
  const lifeMs = expiration.getTime() - nowMs;
  if (Number.isNaN(lifeMs)) return "an Expiration that is no date";
  if (lifeMs <= 0) return `an Expiration in the past (${expiration.toISOString()})`;
  if (lifeMs > MAX_LIFE_MS) return `an Expiration too far ahead (${expiration.toISOString()})`;
  return undefined;
}
