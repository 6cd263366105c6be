/** @module From a role of the configuration to the session that is assumed for a caller. */
import type { Role } from "../config/types.ts";
import { sessionNameOf } from "../credentials/session-name.ts";
import type { SessionNames } from "../credentials/session-name.ts";
import type { BaseCredentials, RoleSession } from "../credentials/types.ts";

/** The name of a hop's session. It knows no role, so that all roles behind a hop share its session. */
const HOP_SESSION_NAME = "crossrole-{hostname}";

/** A hop's session lives as long as AWS lets a chained one: 1 hour. */
const HOP_SECONDS = 3_600;

/** The session of `role` for a caller with `names`: base, then each hop, then the role. */
export function roleSessionOf(role: Role, names: SessionNames): RoleSession {
  let source: BaseCredentials | RoleSession = role.base;
  for (const hop of role.via) {
    source = {
      kind: "role",
      source,
      roleArn: hop.arn,
      externalId: hop.externalId,
      sessionName: sessionNameOf(HOP_SESSION_NAME, names),
      durationSeconds: HOP_SECONDS,
      region: role.region,
      sessionTags: {},
      transitiveTagKeys: [],
      policyArns: [],
    };
  }
  return {
    kind: "role",
    source,
    roleArn: role.arn,
    externalId: role.externalId,
    sessionName: sessionNameOf(role.sessionName, { ...names, role: role.name }),
    durationSeconds: role.durationSeconds,
    region: role.region,
    sessionTags: role.sessionTags,
    transitiveTagKeys: role.transitiveTagKeys,
    sourceIdentity: role.sourceIdentity,
    policyArns: role.policyArns,
    policy: role.policy,
  };
}
