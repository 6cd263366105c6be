/** @module When IAM says no: which principal called what, and which policy, in which account, to change. */
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { RoleSession } from "../credentials/types.ts";
import { placeOf } from "./policy-places.ts";
import type { Refused } from "./policy-places.ts";

interface Denial {
  /** AWS's name of the error. */
  readonly name: string;
  /** AWS's message, on one line. */
  readonly said: string;
}

/** One line: who called what on which role, what AWS said, and where to look. */
export function explainDenial(session: RoleSession, { name, said }: Denial): string {
  const refused = refusedOf(session, said);
  const advice = ADVICE.find(({ when }) => when.test(`${name}: ${said}`));
  const where = placeOf(said, refused) ?? advice?.look(session, refused) ?? bothSides(refused);
  return `STS refused AssumeRole of ${session.roleArn} (${said}); ${where}`;
}

/** The signer in words: the hop before, or the base by its name. */
export function signerName(source: RoleSession["source"]): string {
  if (source.kind === "role") return source.roleArn;
  if (source.kind === "pod") return `pod ${source.namespace}/${source.name}`;
  return `base "${source.name}" (${source.provider.kind})`;
}

interface Advice {
  readonly when: RegExp;
  readonly look: (session: RoleSession, refused: Refused) => string;
}

/** What AWS's words point at when they name no policy, the most telling first. */
const ADVICE: readonly Advice[] = [
  {
    when: /sts:(TagSession|SetSourceIdentity)/,
    look: (_, refused) =>
      `the trust policy of ${refused.roleArn} in account ${refused.accountId} and the permission ` +
      `policy of ${refused.signer} must both allow ${refused.action} besides sts:AssumeRole`,
  },
  {
    when: /assumed by root accounts/,
    look: () => "AWS lets no root user assume a role: sign with an IAM user or a role",
  },
  {
    when: /MaxSessionDuration/,
    look: (session, refused) =>
      `lower durationSeconds (${session.durationSeconds}) or raise the maximum session duration of ` +
      `${refused.roleArn} in account ${refused.accountId}`,
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

function bothSides(refused: Refused): string {
  return (
    `AWS does not say on which side, and says the same for a role that does not exist: ` +
    `(1) trust: ${refused.trustSide}; (2) permission: ${refused.permissionSide}`
  );
}

function refusedOf(session: RoleSession, said: string): Refused {
  const principal = principalIn(said, session.source);
  const signerAccountId = /::(\d{12}):/.exec(principal ?? "")?.[1];
  const signer = principal ?? signerName(session.source);
  const action = /\bperform: (sts:\w+)/.exec(said)?.[1] ?? "sts:AssumeRole";
  const { roleArn } = session;
  const { accountId } = checkedRoleArn(roleArn);
  const inAccount = signerAccountId === undefined ? "" : ` in account ${signerAccountId}`;
  return {
    roleArn,
    accountId,
    action,
    signer: `${signer}${inAccount}`,
    trustSide:
      `the trust policy of ${roleArn} in account ${accountId} must allow ` +
      `${action} to ${signer}${action === "sts:AssumeRole" ? externalIdRule(session) : ""}`,
    permissionSide: `a permission policy of ${signer}${inAccount} must allow ${action} on ${roleArn}`,
  };
}

function externalIdRule({ externalId }: RoleSession): string {
  return externalId === undefined
    ? "; no external id is sent, so its Condition must not ask for sts:ExternalId"
    : "; its Condition must ask for just the sts:ExternalId that is configured";
}

/** The principal as AWS names it; an assumed role's session as the role that policies speak of. */
function principalIn(said: string, source: RoleSession["source"]): string | undefined {
  const arn = /\b(?:User|Role): (arn:[\w-]+:(?:iam|sts)::\d{12}:\S+)/.exec(said)?.[1];
  const roleArn = arn?.replace(
    /:sts::(\d{12}):assumed-role\/([^/]+)\/.*$/,
    (_, accountId: string, roleName: string) => `:iam::${accountId}:role/${roleName}`,
  );
  // A session's ARN has lost the path of its role, which a policy must name.
  const isHop = source.kind === "role" && withoutPath(source.roleArn) === roleArn;
  return isHop ? source.roleArn : roleArn;
}

function withoutPath(roleArn: string): string {
  return roleArn.replace(/:role\/.*\//, ":role/");
}
