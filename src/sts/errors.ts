/** @module What STS's answers mean: one table from AWS's error names to ours, and words for each. */
import { CrossroleError } from "../errors.ts";
import type { CrossroleErrorCode } from "../errors.ts";
import type {
  BaseCredentials,
  PodIdentity,
  RoleSession,
  SigningCredentials,
} from "../credentials/types.ts";
import { explainDenial, signerName } from "./explain-denial.ts";
import { federatedTrust } from "./federated-trust.ts";
import { causeOf, nameOf, saidBy, statusOf } from "./said.ts";

type StsErrorCode = Extract<
  CrossroleErrorCode,
  | "ERR_ROLE_DENIED"
  | "ERR_STS_THROTTLED"
  | "ERR_BASE_EXPIRED"
  | "ERR_STS_MALFORMED"
  | "ERR_STS_UNAVAILABLE"
>;

/**
 * AWS's error names by what they mean for the next attempt; an `Exception` at the end is cut off
 * first. What is not named here is transient.
 *
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html
 * @see https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html#API_AssumeRole_Errors
 */
const CODES: ReadonlyMap<string, StsErrorCode> = new Map([
  ["AccessDenied", "ERR_ROLE_DENIED"],
  ["NotAuthorized", "ERR_ROLE_DENIED"],
  ["UnauthorizedOperation", "ERR_ROLE_DENIED"],
  ["OptInRequired", "ERR_ROLE_DENIED"],
  ["MalformedPolicyDocument", "ERR_ROLE_DENIED"],
  ["PackedPolicyTooLarge", "ERR_ROLE_DENIED"],
  ["RegionDisabled", "ERR_ROLE_DENIED"],
  ["ValidationError", "ERR_ROLE_DENIED"],
  ["Validation", "ERR_ROLE_DENIED"],
  ["InvalidParameterValue", "ERR_ROLE_DENIED"],
  ["NoSuchEntity", "ERR_ROLE_DENIED"],
  ["IDPRejectedClaim", "ERR_ROLE_DENIED"],
  ["InvalidIdentityToken", "ERR_ROLE_DENIED"],
  ["Throttling", "ERR_STS_THROTTLED"],
  ["Throttled", "ERR_STS_THROTTLED"],
  ["RequestLimitExceeded", "ERR_STS_THROTTLED"],
  ["RequestThrottled", "ERR_STS_THROTTLED"],
  ["TooManyRequests", "ERR_STS_THROTTLED"],
  ["SlowDown", "ERR_STS_THROTTLED"],
  ["ExpiredToken", "ERR_BASE_EXPIRED"],
  ["InvalidClientTokenId", "ERR_BASE_EXPIRED"],
  ["UnrecognizedClient", "ERR_BASE_EXPIRED"],
  ["SignatureDoesNotMatch", "ERR_BASE_EXPIRED"],
  ["InvalidSignature", "ERR_BASE_EXPIRED"],
  ["IncompleteSignature", "ERR_BASE_EXPIRED"],
  ["MissingAuthenticationToken", "ERR_BASE_EXPIRED"],
]);

/** `error`, thrown while `session` was being assumed by `signer`: classified and explained. */
export function explainAssumption(
  error: unknown,
  session: RoleSession,
  signer: SigningCredentials,
): CrossroleError {
  const code = codeOf(error);
  // AWS quotes the request that it would have signed, and in it the session token of the signer.
  const said = saidBy(error, signer.sessionToken);
  const what = `AssumeRole of ${session.roleArn}`;
  const explain = {
    ERR_ROLE_DENIED: () => explainDenial(session, { name: nameOf(error), said }),
    ERR_STS_THROTTLED: () => `STS throttled ${what} (${said}); it is asked again later`,
    ERR_BASE_EXPIRED: () =>
      `STS does not accept the credentials that sign ${what} (${said}): ` +
      `${signerName(session.source)}, access key id ${signer.accessKeyId}; renew them at their source`,
    ERR_STS_MALFORMED: () => `${what} got an answer that is none of STS's (${said})`,
    ERR_STS_UNAVAILABLE: () => `${what} failed at STS in ${session.region} (${said})`,
  } satisfies Record<StsErrorCode, () => string>;
  return new CrossroleError(code, explain[code](), { cause: causeOf(error, signer.sessionToken) });
}

/**
 * The same for AssumeRoleWithWebIdentity, whose identity is a token file and no credentials.
 *
 * @param token what was in the file: it is cut out of whatever STS says
 */
export function explainWebIdentity(
  error: unknown,
  base: BaseCredentials,
  provider: { readonly roleArn: string; readonly tokenFile: string },
  token: string,
): CrossroleError {
  const code = codeOf(error);
  const where =
    code === "ERR_ROLE_DENIED" || code === "ERR_BASE_EXPIRED"
      ? `; check the token in ${provider.tokenFile} (audience, expiry), the trust policy of the role ` +
        "(Federated principal, sub and aud conditions) and the OIDC provider in that account"
      : "";
  const message =
    `AssumeRoleWithWebIdentity of ${provider.roleArn} for base "${base.name}" ` +
    `failed (${saidBy(error, token)})${where}`;
  return new CrossroleError(code, message, { cause: causeOf(error, token) });
}

/** The same for the first role of a pod's chain, whose identity is a token that was made for the call. */
export function explainPodIdentity(
  error: unknown,
  { roleArn }: RoleSession,
  pod: PodIdentity,
  token: string,
): CrossroleError {
  const code = codeOf(error);
  const isRefused = code === "ERR_ROLE_DENIED" || code === "ERR_BASE_EXPIRED";
  const where = isRefused ? `; ${federatedTrust(roleArn, pod, token)}` : "";
  const message =
    `AssumeRoleWithWebIdentity of ${roleArn} for pod ${pod.namespace}/${pod.name} ` +
    `failed (${saidBy(error, token)})${where}`;
  return new CrossroleError(code, message, { cause: causeOf(error, token) });
}

/** The same for GetCallerIdentity, which asks who the base is; IAM cannot refuse it. */
export function explainIdentity(
  error: unknown,
  base: BaseCredentials,
  signer: SigningCredentials,
): CrossroleError {
  const code = codeOf(error);
  const said = saidBy(error, signer.sessionToken);
  const who = `base "${base.name}" (${base.provider.kind}), access key id ${signer.accessKeyId}`;
  const message =
    code === "ERR_BASE_EXPIRED"
      ? `STS does not accept the credentials of ${who} (${said}); renew them at their source`
      : `STS in ${base.region} did not say who ${who} is (${said})`;
  return new CrossroleError(code, message, { cause: causeOf(error, signer.sessionToken) });
}

/** Whether STS refused the call because of this machine's clock: its own `Date` then heals the next. */
export function isClockError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === "RequestTimeTooSkewed" || error.name === "RequestExpired") return true;
  return /^Signature (?:expired|not yet current)/.test(error.message);
}

/** Whether `name`, without its `Exception`, is one of AWS's that mean something here. */
export function isNamed(name: string): boolean {
  return CODES.has(name);
}

function codeOf(error: unknown): StsErrorCode {
  if (error instanceof CrossroleError && error.code === "ERR_STS_MALFORMED") return error.code;
  if (isClockError(error)) return "ERR_STS_UNAVAILABLE";
  const named = CODES.get(nameOf(error).replace(/Exception$/, ""));
  if (named !== undefined) return named;
  const status = statusOf(error);
  if (status === 429) return "ERR_STS_THROTTLED";
  // The SDK could read nothing of a 200: an HTML page of a proxy, a cut answer.
  return status === 200 ? "ERR_STS_MALFORMED" : "ERR_STS_UNAVAILABLE";
}
