/** @module Where the policies are kept that AWS names when it refuses. */

/** A refused call, in the words of an answer. */
export interface Refused {
  readonly roleArn: string;
  /** The account of the role. */
  readonly accountId: string;
  /** What was not allowed: `sts:AssumeRole`, `sts:TagSession`, `sts:SetSourceIdentity`. */
  readonly action: string;
  /** The principal, with its account when AWS said which. */
  readonly signer: string;
  /** What the trust policy must say. */
  readonly trustSide: string;
  /** What the principal's own policies must say. */
  readonly permissionSide: string;
}

interface Place {
  /** In AWS's words. */
  readonly policy: string;
  readonly where: (refused: Refused) => string;
  /** What is missing when the policy does not allow the call. Default: that it allows it. */
  readonly missing?: (refused: Refused) => string;
}

/** @see https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html */
const PLACES: readonly Place[] = [
  {
    policy: "identity-based policy",
    where: ({ signer }) => `the permission policies of ${signer}`,
    missing: ({ permissionSide }) => `look at the permission side: ${permissionSide}`,
  },
  {
    policy: "resource-based policy",
    where: ({ roleArn, accountId }) => `the trust policy of ${roleArn} in account ${accountId}`,
    missing: ({ trustSide }) => `look at the trust side: ${trustSide}`,
  },
  {
    policy: "permissions boundary",
    where: ({ signer }) => `the permissions boundary of ${signer}`,
  },
  {
    policy: "session policy",
    where: ({ signer }) => `the session policy that ${signer} was assumed with`,
  },
  {
    policy: "service control policy",
    where: ({ signer }) =>
      `the service control policies for the account of ${signer}, ` +
      "kept in the management account of its AWS organization",
  },
  {
    policy: "resource control policy",
    where: ({ accountId }) =>
      `the resource control policies for account ${accountId}, ` +
      "kept in the management account of its AWS organization",
  },
  {
    policy: "VPC endpoint policy",
    where: () => "the policy of the VPC endpoint that leads to STS",
  },
];

/** Where to look, when AWS's words name the policy that denied or did not allow. */
export function placeOf(said: string, refused: Refused): string | undefined {
  for (const { policy, where, missing } of PLACES) {
    if (new RegExp(`explicit deny in an? ${policy}`, "i").test(said)) {
      return `an explicit deny wins over every allow: look at ${where(refused)}`;
    }
    if (new RegExp(`\\bno ${policy} allows`, "i").test(said)) {
      return missing?.(refused) ?? `${where(refused)} must allow ${refused.action}`;
    }
  }
  return /\bexplicit deny\b/i.test(said)
    ? "an explicit deny wins over every allow: look at the policy that AWS names"
    : undefined;
}
