/** @module When IAM refuses a pod's token: which trust policy must say what, in which account. */
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { PodIdentity } from "../credentials/types.ts";

/**
 * What the role's account must have for the pod: the cluster's OIDC provider, and a trust policy that
 * names its service account. Issuer and audience are read from the token, because the cluster's
 * operator may never have seen them.
 *
 * @see https://docs.aws.amazon.com/eks/latest/userguide/associate-service-account-role.html
 */
export function federatedTrust(roleArn: string, pod: PodIdentity, token: string): string {
  const { accountId, partition } = checkedRoleArn(roleArn);
  const { issuer = "OIDC_ISSUER", audience = "AUDIENCE" } = claimsOf(token);
  const provider = `arn:${partition.name}:iam::${accountId}:oidc-provider/${issuer}`;
  const subject = `system:serviceaccount:${pod.namespace}:${pod.serviceAccount}`;
  return (
    `the trust policy of ${roleArn} in account ${accountId} must allow ` +
    `sts:AssumeRoleWithWebIdentity to {"Federated": "${provider}"} with the condition ` +
    `StringEquals {"${issuer}:sub": "${subject}", "${issuer}:aud": "${audience}"}, and ` +
    `that OIDC provider must exist in account ${accountId} with the client id ${audience}`
  );
}

/** What a token says of itself; undefined where it does not. */
interface TokenClaims {
  /** Without `https://`, as IAM names it. */
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly subject: string | undefined;
}

/** For words only: nobody is believed because of what is read here. */
export function claimsOf(token: string): TokenClaims {
  const claims = parsed(token.split(".")[1] ?? "");
  return {
    issuer: textOf(claims, "iss")?.replace(/^https:\/\//, ""),
    audience: textOf(claims, "aud"),
    subject: textOf(claims, "sub"),
  };
}

function parsed(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    return undefined;
  }
}

function textOf(claims: unknown, name: string): string | undefined {
  if (typeof claims !== "object" || claims === null) return undefined;
  const value: unknown = Reflect.get(claims, name);
  const text: unknown = Array.isArray(value) ? value[0] : value;
  return typeof text === "string" ? text : undefined;
}
