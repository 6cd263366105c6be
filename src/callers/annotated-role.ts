/** @module A role that an annotation names by its ARN: reached as the configuration says of its kind. */
import type { AnnotatedRole, Role } from "../config/types.ts";
import { externalId as externalIdRule, sessionName as sessionNameRule } from "../config/rules.ts";
import { parseRoleArn } from "../credentials/role-arn.ts";

/** As long as AWS lets a chained session live, and the default of every role. */
const DURATION_SECONDS = 3_600;

interface Extras {
  readonly externalId?: string | undefined;
  readonly sessionName?: string | undefined;
}

/** The role, or what is wrong with it. It is called by its name in the ARN, as EC2 does. */
export function annotatedRole(
  arn: string,
  { base, namesBase, via, region }: AnnotatedRole,
  { externalId, sessionName }: Extras,
): Role | string {
  const parsed = parseRoleArn(arn);
  if (typeof parsed === "string") return `the ARN ${parsed}`;
  if (externalId !== undefined) {
    if (!externalIdRule.safeParse(externalId).success) return "its external id is malformed";
    // AssumeRoleWithWebIdentity takes none, and a role that asks for one must not be had without.
    if (!namesBase && via.length === 0) {
      return "an external id needs a role that assumes it: set via or base for this kind of annotation";
    }
  }
  if (sessionName !== undefined && !sessionNameRule.safeParse(sessionName).success) {
    return "its session name is malformed";
  }
  return {
    name: arn.slice(arn.lastIndexOf("/") + 1),
    arn,
    base,
    namesBase,
    via,
    region: region ?? parsed.partition.defaultRegion,
    externalId,
    sessionName,
    durationSeconds: DURATION_SECONDS,
    sessionTags: {},
    transitiveTagKeys: [],
    policyArns: [],
    imdsV1: false,
  };
}

/**
 * A setting of `role` that the pod's token cannot carry to the role that it assumes first. A role must
 * not be had without what the configuration demands of its sessions. Where associations give roles,
 * the configuration is refused; which ones annotations may name is not known there.
 */
export function lostInFirstCall(role: Role): string | undefined {
  if (role.namesBase) return undefined;
  const [hop] = role.via;
  if (hop !== undefined) return hop.externalId === undefined ? undefined : "via[0].externalId";
  if (role.externalId !== undefined) return "externalId";
  if (role.sourceIdentity !== undefined) return "sourceIdentity";
  return Object.keys(role.sessionTags).length > 0 ? "sessionTags" : undefined;
}
