/** @module What the answers of AWS show that will be hard later. Pure. */
import type {
  BaseCredentials,
  BaseProvider,
  RoleSession,
  SigningCredentials,
} from "../credentials/types.ts";
import { checkedRoleArn } from "../credentials/role-arn.ts";
import type { Assumed } from "./aws.ts";
import type { Finding } from "./finding.ts";
import { principalOf } from "./principal.ts";

/** A difference of clocks that is worth a warning: 30 seconds. */
const LOUD_SKEW_MS = 30_000;

/** Above this there is little room left for another tag. */
const LOUD_PACKED_PERCENT = 75;

/** What an answer may be short of what was asked for: it was under way for a while. */
const TOLERANCE_SECONDS = 60;

/** What AWS caps a session at that was assumed by a session. */
const CHAINED_SECONDS = 3_600;

export function skewFindings(skewMs: number): Finding[] {
  if (Math.abs(skewMs) <= LOUD_SKEW_MS) return [];
  const side = skewMs > 0 ? "behind" : "ahead of";
  const message =
    `the clock of this machine is ${Math.round(Math.abs(skewMs) / 1000)} s ${side} STS's: crossrole corrects ` +
    "for it, but clients that sign requests themselves are refused from 5 min on: set the clock";
  return [{ level: "warning", code: "clock-skew", where: "clock", message }];
}

/** Providers whose temporary credentials are variables, or come from variables: nobody renews those. */
const FROM_VARIABLES: ReadonlySet<BaseProvider["kind"]> = new Set(["environment", "default"]);

/**
 * @param identity the ARN that STS tells; undefined when it was not told
 * @param isFromVariables whether the credentials were found in variables
 */
export function baseFindings(
  base: BaseCredentials,
  credentials: SigningCredentials,
  identity: string | undefined,
  isFromVariables: boolean,
): Finding[] {
  const where = `base ${base.name}`;
  const kind = principalOf(identity ?? "")?.kind;
  const { accessKeyId, sessionToken } = credentials;
  const findings: Finding[] = [];
  if (kind === "root") {
    const message = `it is the root user ${identity}: AWS lets no root user assume a role; sign with a role or an IAM user`;
    findings.push({ level: "error", code: "root-user", where, message });
  }
  if (sessionToken === undefined && accessKeyId.startsWith("AKIA")) {
    const message =
      `${accessKeyId} is the key of a user, which nobody replaces by itself: sign with a role ` +
      "(instance, container, web identity, SSO), or rotate the key";
    findings.push({ level: "warning", code: "long-lived-key", where, message });
  }
  if (sessionToken !== undefined && isFromVariables && FROM_VARIABLES.has(base.provider.kind)) {
    const message =
      "AWS_SESSION_TOKEN is set: these are temporary credentials that nobody renews; when they " +
      "expire every role is lost";
    findings.push({ level: "warning", code: "unrenewed-session", where, message });
  }
  return findings;
}

/** One assumption, before it is made. `signerAccount`: twelve digits, when they are known. */
export function trustFindings(session: RoleSession, signerAccount: string | undefined): Finding[] {
  const { accountId } = checkedRoleArn(session.roleArn);
  if (session.externalId !== undefined || signerAccount === undefined) return [];
  if (signerAccount === accountId) return [];
  const message =
    `account ${accountId} is asked from account ${signerAccount} without an external id: where the two belong to ` +
    "different parties, let the trust policy ask for one, and configure it as externalId";
  return [{ level: "warning", code: "no-external-id", where: session.roleArn, message }];
}

/** One assumption, after it was made. */
export function assumedFindings(
  session: RoleSession,
  signer: SigningCredentials,
  { credentials, packedPolicySize = 0 }: Assumed,
): Finding[] {
  const where = session.roleArn;
  const isChained = session.source.kind === "role" || signer.sessionToken !== undefined;
  const asked = isChained
    ? Math.min(session.durationSeconds, CHAINED_SECONDS)
    : session.durationSeconds;
  const findings: Finding[] = [];
  if (asked < session.durationSeconds) {
    const message =
      `durationSeconds is ${session.durationSeconds}, but what signs is itself a session, and AWS ends one that was ` +
      `assumed by it after ${CHAINED_SECONDS} s: that is what is asked for`;
    findings.push({ level: "warning", code: "chained-duration", where, message });
  }
  const lifeMs = credentials.expiration.getTime() - credentials.issuedAt.getTime();
  const lifeSeconds = Math.round(lifeMs / 1000);
  if (lifeSeconds < asked - TOLERANCE_SECONDS) {
    const message = `STS gave a session of ${lifeSeconds} s where ${asked} s were asked for`;
    findings.push({ level: "warning", code: "shorter-than-asked", where, message });
  }
  if (packedPolicySize > LOUD_PACKED_PERCENT) {
    const message =
      `session policies and tags take ${packedPolicySize} % of what AWS allows them together: one more ` +
      "may be refused with PackedPolicyTooLarge";
    findings.push({ level: "warning", code: "packed-policy-size", where, message });
  }
  return findings;
}

export function longerFinding({ roleArn, durationSeconds }: RoleSession): Finding {
  const message =
    `the role allows sessions of more than the ${durationSeconds} s that are asked for: with a larger ` +
    "durationSeconds an outage of STS is outlived for longer";
  return { level: "warning", code: "shorter-than-allowed", where: roleArn, message };
}
