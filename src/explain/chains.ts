/** @module How each role of the configuration is reached, and by whom: the same sessions that the daemon assumes. */
import { podSessionOf, roleSessionOf } from "../callers/role-session.ts";
import type { Config, Role } from "../config/types.ts";
import type { SessionNames } from "../credentials/session-name.ts";
import type { RoleSession } from "../credentials/types.ts";

/** One way to a role: its session, with every hop before it as `source`. */
export interface Chain {
  readonly role: Role;
  readonly session: RoleSession;
  /**
   * The `sub` of the service-account tokens that the first role is assumed with; undefined when the
   * chain starts with base credentials.
   */
  readonly subjects?: readonly string[] | undefined;
}

/** What stands for a pod, or for a part of its name, that only its request tells. */
const ANY_POD = {
  kind: "pod",
  uid: "UID",
  namespace: "NAMESPACE",
  serviceAccount: "SERVICE_ACCOUNT",
  name: "POD",
} as const;

/**
 * Every way to every role. A role that pods get, and that names no base, is reached from the pods'
 * own identity; one that is served on a listener as well is reached in both ways.
 */
export function chainsOf(config: Config, names: SessionNames): Chain[] {
  return [...config.roles.values()].flatMap((role) => chainsTo(role, config, names));
}

function chainsTo(role: Role, config: Config, names: SessionNames): Chain[] {
  const subjects = role.namesBase ? [] : subjectsOf(role, config);
  const { namespace, serviceAccount, name: pod } = ANY_POD;
  const everyName = { namespace, serviceAccount, pod, node: "NODE", ...names };
  const fromBase: Chain = { role, session: roleSessionOf(role, everyName) };
  if (subjects.length === 0) return [fromBase];
  const fromPods: Chain = { role, session: podSessionOf(role, ANY_POD, everyName), subjects };
  return isOnListener(role, config) ? [fromBase, fromPods] : [fromPods];
}

/** Whether a listener names the role. */
function isOnListener({ name }: Role, { listeners }: Config): boolean {
  return listeners.some(
    (listener) =>
      (listener.kind === "role" && listener.role === name) ||
      (listener.kind === "roles" && listener.roles.includes(name)),
  );
}

/** Whether anybody can be given the role: on a listener, by an association, or by an annotation. */
export function isServed(role: Role, config: Config): boolean {
  return isOnListener(role, config) || subjectsOf(role, config).length > 0;
}

function subjectsOf({ name }: Role, { associations, kubernetes }: Config): string[] {
  const associated = associations
    .filter(({ role }) => role === name)
    .map(({ namespace, serviceAccount }) => subjectOf(namespace, serviceAccount));
  if (associated.length > 0) return [...new Set(associated)];
  if (kubernetes?.annotations.crossrole === undefined) return [];
  return [subjectOf(ANY_POD.namespace, ANY_POD.serviceAccount)];
}

function subjectOf(namespace: string, serviceAccount: string): string {
  return `system:serviceaccount:${namespace}:${serviceAccount}`;
}

/** The sessions of a chain in the order in which they are assumed. */
export function stepsOf(session: RoleSession): RoleSession[] {
  const steps = [session];
  for (let { source } = session; source.kind === "role"; { source } = source) steps.unshift(source);
  return steps;
}
