/** @module When IAM says no: which principal called what, and which policy, in which account, to change. */
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { CredentialSource, RoleSession } from "../credentials/types.ts";

interface Denial {
  /** AWS's name of the error. */
  readonly name: string;
  /** AWS's message, on one line. */
  readonly said: string;
}

/** One line: who called what on which role, what AWS said, and where to look. */
export function explainDenial(session: RoleSession, denial: Denial): string {
  const advice = ADVICE.find(({ when }) => when.test(`${denial.name}: ${denial.said}`));
  const where = advice?.look(session, principalIn(denial.said)) ?? lookAtBothSides(session, denial);
  return `STS refused AssumeRole of ${session.roleArn} (${denial.said}); ${where}`;
}

/** The signer in words: the hop before, or the base by its name. */
export function signerName(source: CredentialSource): string {
  if (source.kind === "role") return source.roleArn;
  return `base "${source.name}" (${source.provider.kind})`;
}

interface Advice {
  readonly when: RegExp;
  readonly look: (session: RoleSession, principal: string | undefined) => string;
}

/**
 * What AWS's words point at, the most telling first. A cross-account AssumeRole needs a yes on both
 * sides, and AWS says on which it was missing only sometimes.
 *
 * @see https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
 */
const ADVICE: readonly Advice[] = [
  {
    when: /explicit deny in an? ([\w -]*policy|permissions boundary)/i,
    look: () =>
      "an explicit deny wins over every allow: look at the policy that AWS names (in AWS " +
      "Organizations, service and resource control policies are in the management account)",
  },
  { when: /sts:TagSession/, look: (session) => needsAction(session, "sts:TagSession") },
  {
    when: /sts:SetSourceIdentity/,
    look: (session) => needsAction(session, "sts:SetSourceIdentity"),
  },
  {
    when: /no resource-based policy allows/i,
    look: (session, principal) => `look at the trust side: ${trustSide(session, principal)}`,
  },
  {
    when: /no (identity-based|permissions boundary|session|service control) policy allows|no permissions boundary allows/i,
    look: (session, principal) =>
      `look at the permission side: ${permissionSide(session, principal)}`,
  },
  {
    when: /MaxSessionDuration/,
    look: (session) =>
      `lower durationSeconds (${session.durationSeconds}) or raise the maximum session duration of ` +
      `${session.roleArn} in account ${accountOf(session)}`,
  },
  {
    when: /1 hour session limit|role chaining/i,
    look: () => "a role assumed by a role lives one hour at most: set durationSeconds to 3600",
  },
  {
    when: /^PackedPolicyTooLarge/,
    look: () =>
      "make the session policy, policyArns and sessionTags smaller: AWS packs them together",
  },
  {
    when: /^MalformedPolicyDocument/,
    look: () => "mend the session policy (policy, policyArns) of this role in the configuration",
  },
  {
    when: /^RegionDisabled/,
    look: (session) =>
      `activate STS in ${session.region} in the account of the caller, or set another region`,
  },
  {
    when: /^(Validation|InvalidParameterValue)/,
    look: () => "mend what AWS names in this role's configuration",
  },
];

function needsAction(session: RoleSession, action: string): string {
  return (
    `the trust policy of ${session.roleArn} in account ${accountOf(session)} and the permission ` +
    `policy of ${signerName(session.source)} must both allow ${action} besides sts:AssumeRole`
  );
}

function lookAtBothSides(session: RoleSession, { said }: Denial): string {
  const principal = principalIn(said);
  return (
    `AWS does not say on which side, and says the same for a role that does not exist: ` +
    `(1) trust: ${trustSide(session, principal)}; ` +
    `(2) permission: ${permissionSide(session, principal)}`
  );
}

function trustSide(session: RoleSession, principal: string | undefined): string {
  const externalId =
    session.externalId === undefined
      ? "no external id is sent, so its Condition must not ask for sts:ExternalId"
      : "its Condition must ask for just the sts:ExternalId that is configured";
  return (
    `the trust policy of ${session.roleArn} in account ${accountOf(session)} must allow ` +
    `sts:AssumeRole to ${principal ?? signerName(session.source)}; ${externalId}`
  );
}

function permissionSide(session: RoleSession, principal: string | undefined): string {
  const account = principal === undefined ? undefined : /::(\d{12}):/.exec(principal)?.[1];
  const of = principal ?? signerName(session.source);
  const inAccount = account === undefined ? "" : ` in account ${account}`;
  return `a permission policy of ${of}${inAccount} must allow sts:AssumeRole on ${session.roleArn}`;
}

function accountOf(session: RoleSession): string {
  return checkedRoleArn(session.roleArn).accountId;
}

/** The principal as AWS names it; an assumed role's session as the role that policies speak of. */
function principalIn(said: string): string | undefined {
  const arn = /\b(?:User|Role): (arn:[\w-]+:(?:iam|sts)::\d{12}:\S+)/.exec(said)?.[1];
  if (arn === undefined) return undefined;
  return arn.replace(/:sts::(\d{12}):assumed-role\/([^/]+)\/.*$/, ":iam::$1:role/$2");
}
