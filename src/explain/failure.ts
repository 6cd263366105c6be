/** @module What an error of the AWS edge becomes in a report. */
import type { RoleSession } from "../credentials/types.ts";
import { CrossroleError, messageOf } from "../errors.ts";
import { denialOf, tokenDenialOf } from "./denial.ts";
import type { Denial } from "./denial.ts";
import type { Failure } from "./check-report.ts";

/** Of an assumption. `identity`: the ARN of who signed, when it is known. */
export function failureOf(
  error: unknown,
  session: RoleSession,
  identity: string | undefined,
): Failure {
  return failureWith(error, (words) => denialOf(session, words, identity));
}

/** Of loading a base; `webIdentity`: the role that it is, and the token that was shown for it. */
export function baseFailureOf(
  error: unknown,
  webIdentity?: { readonly roleArn: string; readonly token: string },
): Failure {
  return failureWith(error, () =>
    webIdentity === undefined ? undefined : tokenDenialOf(webIdentity.roleArn, webIdentity.token),
  );
}

function failureWith(error: unknown, denial: (words: Error) => Denial | undefined): Failure {
  // What is none of ours is a fault of crossrole, and no report hides that.
  if (!(error instanceof CrossroleError)) throw error;
  const { code, cause } = error;
  const message = messageOf(error);
  const isDenial = code === "ERR_ROLE_DENIED" && cause instanceof Error;
  const found = isDenial ? denial(cause) : undefined;
  return found === undefined ? { code, message } : { code, message, denial: found };
}
