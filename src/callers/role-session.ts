/** @module From a role of the configuration to the session that is assumed for a caller. */
import type { Role } from "../config/types.ts";
import { sessionNameOf } from "../credentials/session-name.ts";
import type { SessionNames } from "../credentials/session-name.ts";
import type { PodIdentity, RoleSession } from "../credentials/types.ts";

/** The name of a hop's session. It knows no role, so that all roles behind a hop share its session. */
const SHARED_NAME = "crossrole-{hostname}";

/** The name of a pod's sessions, so that CloudTrail tells which pod it was. */
const POD_NAME = "{namespace}.{serviceAccount}.{pod}";

/** A hop's session lives as long as AWS lets a chained one: 1 hour. */
const HOP_SECONDS = 3_600;

/** The session of `role` for a caller with `names`: base, then each hop, then the role. */
export function roleSessionOf(role: Role, names: SessionNames): RoleSession {
  return chainOf(role, role.base, { ...names, role: role.name }, SHARED_NAME, SHARED_NAME);
}

/**
 * The session of `role` for a pod: the pod's own identity in the place of a base that the role does
 * not name. Every session behind it is that pod's alone, and has its name.
 */
export function podSessionOf(role: Role, pod: PodIdentity, names: SessionNames): RoleSession {
  const { namespace, serviceAccount, name } = pod;
  const all = { ...names, namespace, serviceAccount, pod: name, role: role.name };
  return role.namesBase
    ? chainOf(role, role.base, all, SHARED_NAME, POD_NAME)
    : chainOf(role, pod, all, POD_NAME, POD_NAME);
}

function chainOf(
  role: Role,
  start: RoleSession["source"],
  names: SessionNames,
  hopName: string,
  defaultName: string,
): RoleSession {
  let source = start;
  for (const hop of role.via) {
    source = {
      kind: "role",
      source,
      roleArn: hop.arn,
      externalId: hop.externalId,
      sessionName: sessionNameOf(hopName, names),
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
    sessionName: sessionNameOf(role.sessionName ?? defaultName, names),
    durationSeconds: role.durationSeconds,
    region: role.region,
    sessionTags: role.sessionTags,
    transitiveTagKeys: role.transitiveTagKeys,
    sourceIdentity: role.sourceIdentity,
    policyArns: role.policyArns,
    policy: role.policy,
  };
}
